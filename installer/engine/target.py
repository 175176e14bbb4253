"""Where a node is and how to log in to it."""

from dataclasses import dataclass

from installer.inventory import Node


@dataclass(frozen=True, slots=True)
class Target:
    """A node's name and its SSH login; without an address it is the machine that runs this."""

    name: str
    address: str | None = None
    user: str = "root"  # root, or one that `sudo -n` makes root
    port: int = 22
    private_key: str | None = None  # path
    known_hosts: str | None = None  # path; the host's key must be listed there

    @property
    def is_local(self) -> bool:
        """Tell whether commands run on this machine, without SSH."""
        return self.address is None


def target_of(node: Node) -> Target:
    """Return how the engine reaches a node."""
    return Target(
        name=node.name,
        address=node.address,
        user=node.ssh.user,
        port=node.ssh.port,
        private_key=str(node.ssh.private_key) if node.ssh.private_key else None,
        known_hosts=str(node.ssh.known_hosts) if node.ssh.known_hosts else None,
    )
