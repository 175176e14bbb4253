"""What a bundle holds for each Debian release: package names per role, wheels per environment."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

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

# PostgreSQL's major version → the release whose archive has it
POSTGRESQL = {15: "bookworm", 17: "trixie"}

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


def with_postgresql(release: Release, majors: Iterable[int]) -> Release:
    """Return a release with further major versions of PostgreSQL beside its own.

    Raises ConfigError for one that no supported release of Debian has.
    """
    wanted = sorted({*majors} - {*_majors(release)})
    if unknown := [major for major in wanted if major not in POSTGRESQL]:
        raise ConfigError(
            Problem(
                where=f"--postgresql {unknown[0]}",
                what="no Debian release that is supported has this major version",
                remedy=f"choose one of {', '.join(map(str, POSTGRESQL))}",
            )
        )
    packages = (*release.roles["database"], *(f"postgresql-{major}" for major in wanted))
    return replace(release, roles={**release.roles, "database": packages})


def postgresql_of(release: Release) -> int:
    """Return the major version that a release has by itself; it comes first."""
    return next(_majors(release))


def further_archives(release: Release) -> list[str]:
    """Return the codenames of the releases that the further major versions come from."""
    return sorted({POSTGRESQL[major] for major in _majors(release)} - {release.codename})


def _majors(release: Release) -> Iterator[int]:
    for package in release.roles["database"]:
        if match := re.fullmatch(r"postgresql-(\d+)", package):
            yield int(match.group(1))


def normalise(name: str) -> str:
    """Return a distribution's name in the form that wheels and indexes compare (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
