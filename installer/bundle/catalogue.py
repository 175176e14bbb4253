"""What a bundle holds for each Debian release: package names per role, wheels per environment."""

import re
from dataclasses import dataclass

from installer.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A Debian release: what its own Python is, and which packages each role needs."""

    codename: str
    python: str  # of the package python3; wheels and environments are made for it
    interpreter: str  # the smallest package that compiles modules for it
    roles: dict[str, tuple[str, ...]]
    host: tuple[str, ...]  # beside the required packages, what the smallest host has


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A virtual environment of our Python code, and the roles whose nodes have it."""

    name: str
    folder: str  # on the node
    extra: str | None  # of the project, in place of its base dependencies
    roles: tuple[str, ...]
    command: str | None = None  # that /usr/local/bin links to
    compiled_except: str | None = None  # modules that need no byte code; None: none has any


ROLES = ("database", "queue", "manager", "loadbalancer")

ENVIRONMENTS = (
    Environment(
        name="installer",
        folder="/opt/cfy_manager",
        extra=None,
        roles=ROLES,
        command="cfy_manager",
        # root's commands keep byte code by themselves; the reporter's service may not write it
        compiled_except=r"^(?!.*/site-packages/(installer|requests|urllib3|idna|certifi"
        r"|charset_normalizer|yaml)/)",
    ),
    # The runtime shares no code with the installer, so it goes without pyinfra and its like
    Environment(
        name="manager",
        folder="/opt/manager",
        extra="manager",
        roles=("manager",),
        # its services may not write: each start of theirs would compile all modules again
        compiled_except=r"/(tests?|testing|dialects/(mssql|mysql|oracle|sqlite))/",
    ),
)

# Hosts are reached by SSH and run systemd; everything else a role needs is in the bundle.
_HOST = ("systemd", "systemd-sysv", "dbus", "openssh-server", "python3")


def _roles(postgresql: int) -> dict[str, tuple[str, ...]]:
    return {
        "database": (
            f"postgresql-{postgresql}",
            "patroni",
            "python3-etcd",  # Patroni's etcd3 module builds on it; the package offers alternatives
            "etcd-server",
            "etcd-client",
            "pgbackrest",
        ),
        "queue": ("rabbitmq-server",),
        "manager": ("nginx", "syncthing"),
        "loadbalancer": ("haproxy", "keepalived"),
    }


RELEASES = {
    "trixie": Release(
        codename="trixie",
        python="3.13",
        interpreter="python3.13-minimal",
        roles=_roles(17),
        host=_HOST,
    ),
    "bookworm": Release(
        codename="bookworm",
        python="3.11",
        interpreter="python3.11-minimal",
        roles=_roles(15),
        host=(*_HOST, "usr-is-merged"),  # usrmerge, the alternative, brings perl along
    ),
}

# Debian architecture → the machine's name in the tags of wheels (PEP 425)
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


def release_named(codename: str) -> Release:
    """Return the release of this codename; raises ConfigError for one that is not supported."""
    if codename not in RELEASES:
        raise ConfigError(
            Problem(
                where="release",
                what=f"Debian {codename!r} is not supported",
                remedy=f"choose one of {', '.join(RELEASES)}",
            )
        )
    return RELEASES[codename]


def normalise(name: str) -> str:
    """Return a distribution's name in the form that wheels and indexes compare (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
