"""What a host is made of, to compare before and after something that must change nothing."""

from dataclasses import dataclass

from tests.support.sandbox import Sandbox

# What every login writes, and what the host's own services write at any time.
_OWN = (
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/var/log/journal",
    "/var/log/wtmp",
    "/var/log/lastlog",
    "/var/log/btmp",
    "/var/lib/wtmpdb",
    "/var/lib/lastlog",
    "/var/lib/systemd",
)
# Who serves a login, and what systemd starts by itself; `find` and `ps` are this module's own
_PASSING = (
    "sshd",
    "sshd-session",
    "sshd-auth",
    "systemd-hostnam",
    "systemd-timedat",
    "find",
    "sh",
    "ps",
    "(sd-pam)",
    "systemd-userwor",
    "systemd-logind",
    "systemd",
)
_PRUNED = " -o ".join(f"-path {path}" for path in _OWN)
_FILES = (
    f"find / \\( {_PRUNED} \\) -prune -o ! -type d -printf '%p %y %m %U:%G %s %T@ %C@\\n'"
    f" -o -type d -printf '%p %y %m %U:%G %T@\\n'"
)


@dataclass(frozen=True)
class Snapshot:
    """Every file with its owner, mode, size and times; processes; packages with their state."""

    files: frozenset[str]
    processes: frozenset[str]
    packages: str

    def differences(self, after: "Snapshot") -> list[str]:
        """Return a line for each thing that came, went or changed."""
        return [
            *(f"- {line}" for line in sorted(self.files - after.files)),
            *(f"+ {line}" for line in sorted(after.files - self.files)),
            *(f"process {name}" for name in sorted(self.processes ^ after.processes)),
            *(["the package database"] if self.packages != after.packages else []),
        ]


def snapshot(sandbox: Sandbox, host: str) -> Snapshot:
    """Return what the host is made of now."""
    running = sandbox.output(host, "ps", "-e", "-o", "comm=").split("\n")
    return Snapshot(
        files=frozenset(sandbox.output(host, "sh", "-c", _FILES).split("\n")),
        processes=frozenset(name.strip() for name in running) - set(_PASSING),
        packages=sandbox.output(host, "sha256sum", "/var/lib/dpkg/status"),
    )
