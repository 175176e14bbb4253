"""Gather what an engineer needs to see of a cluster into one archive, without its secrets."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from installer.actions.cluster import open_kept
from installer.actions.known_secrets import cluster_masker
from installer.actions.support_node import SupportWish, node_parts, plan_and_drift
from installer.actions.versions import own_version
from installer.cluster_secrets import load_secrets
from installer.engine.engine import Engine
from installer.engine.session import Session
from installer.engine.target import target_of
from installer.expand.check import load_cluster
from installer.expand.names import application_database
from installer.inventory import Inventory, Node, runs_folder
from installer.pki.listing import Entry, list_certificates
from installer.status.collect import Watcher
from installer.status.judge import judge
from installer.status.model import ClusterStatus
from installer.support.contents import Bundled, Contents
from installer.support.questions import questions_for

_RUN_BYTES = 4 * 1024 * 1024  # of one record of a run: its end
_MOST_RUNS = 24
Describe = Callable[[ClusterStatus], Mapping[str, str]]


def bundle_cluster(
    inventory_path: Path, wish: SupportWish, target: Path, describe: Describe
) -> Bundled:
    """Write the archive of a cluster; what does not answer is told in it and in the result.

    `describe` makes texts of the cluster's status, by their names.
    """
    inventory = load_cluster(inventory_path)
    masker = cluster_masker(inventory)
    contents = Contents(own_version())
    _add_controller(contents, inventory)
    with Watcher(inventory) as watcher:
        contents.texts += describe(judge(watcher.facts())).items()
    _add_nodes(contents, inventory, wish)
    return contents.write(target, masker)


def _add_controller(contents: Contents, inventory: Inventory) -> None:
    """Add what the controller has: inventory, certificates, records of runs; no secret."""
    contents.take("controller/inventory.yaml", inventory.path.read_bytes)
    names = sorted(load_secrets(inventory.secrets_path))
    contents.texts.append(("controller/secrets-that-are-known.txt", "\n".join(names)))
    found = list_certificates(inventory.certificates_path)
    contents.take("controller/certificates.txt", lambda: "\n".join(map(_certificate_line, found)))
    for path in _newest(runs_folder(inventory)):
        contents.take(f"controller/runs/{path.name}", lambda path=path: _end(path, contents))  # type: ignore[misc] # its default is the path


def _certificate_line(entry: Entry) -> str:
    facts = entry.facts
    if facts is None:
        return f"{entry.path}: no certificate"
    names = ", ".join((*facts.dns_names, *facts.addresses))
    ends = facts.not_after.isoformat()
    return f"{entry.path}: until {ends}, {facts.days_left()} days; by {facts.issuer}; for {names}"


def _newest(folder: Path) -> Sequence[Path]:
    """Return the records of the last runs, the newest first; never what keeps a key."""
    kept = [path for path in folder.glob("*") if path.suffix in (".log", ".jsonl", ".json")]
    return sorted(kept, key=lambda path: path.stat().st_mtime, reverse=True)[:_MOST_RUNS]


def _end(path: Path, contents: Contents) -> bytes:
    content = path.read_bytes()
    if len(content) > _RUN_BYTES:
        contents.cut.append(f"controller/runs/{path.name}")
    return content[-_RUN_BYTES:]


def _add_nodes(contents: Contents, inventory: Inventory, wish: SupportWish) -> None:
    """Add what the nodes have that answer, all asked at once; the others are problems."""
    database = application_database(inventory)

    def look(session: Session) -> list[tuple[str, bytes]]:
        node = inventory.node(session.name)
        asked = [*questions_for(node.roles, address=node.address, database=database)]
        return node_parts(session, asked, wish, contents)

    with Engine([target_of(node) for node in inventory.nodes]) as engine:
        unreachable = engine.connect()
        contents.problems += unreachable.values()
        there = [node for node in inventory.nodes if node.name not in unreachable]
        outcomes = engine.on_each([node.name for node in there], look)
        for name, outcome in outcomes.items():
            contents.texts += [(f"{name}/{part}", text) for part, text in outcome.value or ()]
            contents.problems += [outcome.error] if outcome.error else []
        contents.take("plan-and-drift.json", lambda: _plan_and_drift(engine, inventory, there))


def _plan_and_drift(engine: Engine, inventory: Inventory, there: Sequence[Node]) -> str:
    names = {node.name for node in there}
    jobs = open_kept(inventory).jobs()
    return plan_and_drift(engine, (job for job in jobs if job.inputs.name in names))
