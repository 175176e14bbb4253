"""Gather journals and log files of nodes into one archive, without their secrets."""

import io
import os
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from installer.actions.cluster import open_cluster
from installer.actions.installed import STATE, this_node
from installer.actions.masking import Masker, configured_secrets, document_secrets, key_lines
from installer.actions.node import SECRETS
from installer.actions.on_this_node import on_this_node
from installer.cluster_secrets import load_secrets
from installer.engine.engine import Engine
from installer.engine.outcome import Logs
from installer.engine.session import Session
from installer.engine.target import target_of
from installer.errors import Problem
from installer.expand.check import load_cluster

# the other services write to the journal
_FOLDERS = ("/var/log/cloudify", "/var/log/postgresql", "/var/log/rabbitmq", "/var/log/nginx")
_MB = 1024 * 1024
_LARGEST = 8 * _MB  # of one file


@dataclass(frozen=True, slots=True, kw_only=True)
class LogWish:
    """Since when, and how much of each node at most."""

    since: float  # seconds since 1970
    most_mb: int = 32

    def of(self, session: Session) -> Logs:
        """Return what a node has."""
        return session.logs(
            since=int(self.since), folders=_FOLDERS, limit=_LARGEST, total=self.most_mb * _MB
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
    inputs = open_cluster(inventory, save=False).inputs
    known = load_secrets(inventory.secrets_path).values()
    masker = Masker(
        (
            *configured_secrets(inputs),
            *(secret.reveal() for secret in known),
            *key_lines(inventory.certificates_path),
        )
    )
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
    masker = Masker(
        (
            *document_secrets(installed.config),
            *(secret.reveal() for secret in load_secrets(SECRETS).values()),
            *key_lines(STATE / "certificates"),
        )
    )
    name = installed.config["manager"]["hostname"] or "this-node"
    return _written(target, {name: on_this_node(wish.of)}, masker, ())


def _written(
    target: Path, found: Mapping[str, Logs], masker: Masker, problems: tuple[Problem, ...]
) -> Fetched:
    files = 0
    with _archive(target) as archive:
        for node, logs in found.items():
            for name, text in logs.texts:
                _add(archive, f"{target.name.removesuffix('.tar.gz')}/{node}/{name}", masker(text))
                files += 1
    cut = tuple(f"{node}/{name}" for node, logs in found.items() for name in logs.cut)
    return Fetched(path=target, files=files, cut=cut, problems=problems)


@contextmanager
def _archive(target: Path) -> Iterator[tarfile.TarFile]:
    """Yield a new archive for its owner only; one that is not finished is taken away."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with (
            os.fdopen(descriptor, "wb") as file,
            tarfile.open(fileobj=file, mode="w:gz") as archive,
        ):
            yield archive
    except BaseException:
        target.unlink()
        raise


def _add(archive: tarfile.TarFile, name: str, text: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(text), 0o600, int(time.time())
    archive.addfile(member, io.BytesIO(text))
