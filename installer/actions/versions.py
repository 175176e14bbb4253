"""Which versions run: of cfy_manager, of the manager's runtime, of the services."""

import platform
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from installer.actions.on_this_node import on_this_node
from installer.engine.engine import Engine
from installer.engine.session import Session
from installer.engine.target import target_of
from installer.errors import Problem
from installer.expand.check import load_cluster
from installer.roles.manager.runtime_config import HOME

# Debian's packages of the services; a pattern is dpkg-query's
PROGRAMS = (
    *("postgresql-[0-9]*", "patroni", "etcd-server", "rabbitmq-server", "erlang-base"),
    *("nginx", "syncthing", "haproxy", "keepalived"),
)
_ENVIRONMENTS = {"cfy_manager": "/opt/cfy_manager/env", "runtime": f"{HOME}/env"}
_DISTRIBUTION = "cfy_manager"
_INSTALLED = "ii"


@dataclass(frozen=True, slots=True)
class Version:
    """One program of one node."""

    node: str
    program: str
    version: str


def own_version() -> str:
    """Return the version of the cfy_manager that runs this, with its Python's."""
    return f"{metadata.version(_DISTRIBUTION)} (Python {platform.python_version()})"


def node_versions() -> tuple[Version, ...]:
    """Return what is installed on this host; nothing where none of it is."""
    return on_this_node(versions_on)


def cluster_versions(inventory_path: Path) -> tuple[list[Version], list[Problem]]:
    """Return what is installed on each node, and a problem for each that does not answer."""
    inventory = load_cluster(inventory_path)
    with Engine([target_of(node) for node in inventory.nodes]) as engine:
        unreachable = engine.connect()
        names = [node.name for node in inventory.nodes if node.name not in unreachable]
        outcomes = engine.on_each(names, versions_on)
    failed = [outcome.error for outcome in outcomes.values() if outcome.error is not None]
    found = [version for outcome in outcomes.values() for version in outcome.value or ()]
    return found, [*unreachable.values(), *failed]


def versions_on(session: Session) -> tuple[Version, ...]:
    """Return what is installed on a node. One command."""
    return tuple(
        Version(session.name, program, version)
        for program, version in _read(session.run(_script()).stdout)
    )


def _script() -> str:
    """Return what lists environments and packages as `name version status`."""
    listings = "\n".join(
        f"for found in {environment}/lib/python3*/site-packages/{_DISTRIBUTION}-*.dist-info; do\n"
        f'    [ ! -e "$found" ] || echo "{name} $(sed -n \'s/^Version: //p\' "$found/METADATA"'
        f' | head -n 1) {_INSTALLED}"\n'
        "done"
        for name, environment in _ENVIRONMENTS.items()
    )
    form = r"${Package} ${Version} ${db:Status-Abbrev}\n"
    # it exits 1 for a name that no package has ever had here
    query = f"dpkg-query -W -f {shlex.quote(form)} {shlex.join(PROGRAMS)} 2>/dev/null || true"
    return f"{listings}\n{query}\n"


def _read(listing: str) -> Iterator[tuple[str, str]]:
    for line in listing.splitlines():
        words = line.split()
        if len(words) == 3 and words[2] == _INSTALLED:
            yield words[0], words[1]
