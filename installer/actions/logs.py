"""Gather journals and log files of nodes into one archive, without their secrets."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from installer.actions.installed import STATE, this_node
from installer.actions.known_secrets import cluster_masker, node_masker
from installer.actions.masking import Masker
from installer.actions.on_this_node import on_this_node
from installer.engine.engine import Engine
from installer.engine.outcome import Logs
from installer.engine.session import LOGS_S, Session
from installer.engine.target import target_of
from installer.errors import Problem
from installer.expand.check import load_cluster
from installer.support.archive import new_archive

# the other services write to the journal
_FOLDERS = ("/var/log/cloudify", "/var/log/postgresql", "/var/log/rabbitmq", "/var/log/nginx")
_MB = 1024 * 1024
_LARGEST = 8 * _MB  # of one file


@dataclass(frozen=True, slots=True, kw_only=True)
class LogWish:
    """Since when, and how much of each node at most."""

    since: float  # seconds since 1970
    most_mb: int = 32

    def of(self, session: Session, timeout_s: int = LOGS_S) -> Logs:
        """Return what a node has."""
        return session.logs(
            since=int(self.since),
            folders=_FOLDERS,
            limit=_LARGEST,
            total=self.most_mb * _MB,
            timeout_s=timeout_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An archive, what is in it, and which nodes are missing."""

    path: Path
    files: int
    cut: tuple[str, ...]  # node/file: only its end is there, or nothing
    problems: tuple[Problem, ...] = ()


def fetch_cluster_logs(inventory_path: Path, wish: LogWish, target: Path) -> Fetched:
    """Write the archive of all nodes that answer; the others are problems in the result."""
    inventory = load_cluster(inventory_path)
    masker = cluster_masker(inventory)
    with Engine([target_of(node) for node in inventory.nodes]) as engine:
        unreachable = engine.connect()
        names = [node.name for node in inventory.nodes if node.name not in unreachable]
        outcomes = engine.on_each(names, wish.of)
    found = {name: outcome.value for name, outcome in outcomes.items() if outcome.value}
    failed = [outcome.error for outcome in outcomes.values() if outcome.error is not None]
    return _written(target, found, masker, (*unreachable.values(), *failed))


def fetch_node_logs(wish: LogWish, target: Path) -> Fetched:
    """Write the archive of this node."""
    installed = this_node((), STATE, check_files=False)
    masker = node_masker(installed)
    name = installed.config["manager"]["hostname"] or "this-node"
    return _written(target, {name: on_this_node(wish.of)}, masker, ())


def _written(
    target: Path, found: Mapping[str, Logs], masker: Masker, problems: tuple[Problem, ...]
) -> Fetched:
    with new_archive(target, masker) as archive:
        for node, logs in found.items():
            for name, text in logs.texts:
                archive.add(f"{node}/{name}", text)
        files = len(archive.names)
    cut = tuple(f"{node}/{name}" for node, logs in found.items() for name in logs.cut)
    return Fetched(path=target, files=files, cut=cut, problems=problems)
