"""What is wrong with the managers: their REST service, maintenance mode, replication of files."""

from collections.abc import Iterator
from typing import Any

from installer.inventory import Role
from installer.status.database import leader_name
from installer.status.facts import ClusterFacts, NodeFacts
from installer.status.model import Finding, State, Verdict
from installer.status.request import MAINTENANCE, REST, SYNC, SYNC_PEERS, has_file_sync
from installer.status.words import bytes_words

_SERVICE = str(Role.MANAGER)


def working(facts: ClusterFacts) -> list[str]:
    """Return the managers whose REST service finds all of its services well."""
    return [node.name for node in facts.told(Role.MANAGER) if node.answer(REST).is_good]


def manager_findings(facts: ClusterFacts) -> Iterator[Finding]:
    """Yield everything that is wrong with the managers."""
    if not facts.told(Role.MANAGER):  # there is none, or nothing is known of it
        return
    if not working(facts):
        yield Finding(
            code="no-manager-works",
            where=_SERVICE,
            service=_SERVICE,
            what="no manager answers OK: requests fail",
            remedy="see what is wrong with databases and brokers first, then with each manager",
            verdict=Verdict.DOWN,
        )
    for node in facts.told(Role.MANAGER):
        yield from _rest_findings(node)
        if has_file_sync(facts.inventory.settings):
            yield from _sync_findings(facts, node)
    if is_in_maintenance(facts):
        yield Finding(
            code="maintenance-mode",
            where=_SERVICE,
            service=_SERVICE,
            what="the managers are in maintenance mode: they refuse to change anything",
            remedy="`cfy maintenance-mode deactivate` when the work is done",
            verdict=Verdict.DEGRADED,
        )


def is_in_maintenance(facts: ClusterFacts) -> bool:
    """Tell whether the managers' database says so; an external one is not asked."""
    node = facts.nodes.get(leader_name(facts) or "")
    return bool(node and node.answer(MAINTENANCE).is_good and node.answer(MAINTENANCE).text)


def _rest_findings(node: NodeFacts) -> Iterator[Finding]:
    answer = node.answer(REST)
    if answer.is_good:
        return
    is_alive = answer.status > 0
    what = "one of its services fails, it says" if is_alive else f"REST: {answer.words}"
    yield Finding(
        code="manager-not-ok",
        where=node.name,
        service=_SERVICE,
        what=what,
        remedy="`cfy status` shows which; "
        f"`journalctl -u cloudify-restservice -u nginx -n 50` on {node.name}",
        verdict=Verdict.DEGRADED,
        state=State.DEGRADED if is_alive else State.DOWN,
    )


def _sync_findings(facts: ClusterFacts, node: NodeFacts) -> Iterator[Finding]:
    if said := sync_fault(facts, node):
        yield Finding(
            code="files-not-replicated",
            where=node.name,
            service=_SERVICE,
            what=f"its files are not in step with the other managers': {said}",
            remedy=f"`journalctl -u cloudify-syncthing -u cloudify-file-sync -n 50` on {node.name}",
            verdict=Verdict.DEGRADED,
            state=State.DEGRADED,
        )


def sync_fault(facts: ClusterFacts, node: NodeFacts) -> str:
    """Return why the files of a manager are not in step; nothing when they are.

    A manager whose syncthing is silent is told of by itself, not by each of the others.
    """
    folder, peers = node.answer(SYNC), node.answer(SYNC_PEERS)
    for answer in (folder, peers):
        if not answer.is_good:
            return f"syncthing: {answer.words}"
    state: Any = folder.value() or {}
    if state.get("error") or state.get("pullErrors"):
        return str(state.get("error") or f"{state['pullErrors']} files cannot be fetched")
    if state.get("needBytes"):
        return f"{bytes_words(int(state['needBytes']))} are to be fetched"
    others = sum(each.answer(SYNC).is_good for each in facts.told(Role.MANAGER)) - 1
    connections: Any = (peers.value() or {}).get("connections", {})
    linked = sum(1 for peer in connections.values() if peer.get("connected"))
    return f"connected with {linked} of {others} managers" if linked < others else ""


def manager_summary(facts: ClusterFacts) -> str:
    """Return one line on the managers."""
    parts = [f"{len(working(facts))} of {len(facts.having(Role.MANAGER))} answer OK"]
    if has_file_sync(facts.inventory.settings) and len(facts.having(Role.MANAGER)) > 1:
        late = [node.name for node in facts.told(Role.MANAGER) if sync_fault(facts, node)]
        parts.append(f"files not in step on {', '.join(late)}" if late else "files in step")
    if is_in_maintenance(facts):
        parts.append("maintenance mode")
    return ", ".join(parts)
