"""Where a node is and how to log in to it."""

from dataclasses import dataclass


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
