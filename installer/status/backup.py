"""What the primary knows of its backups: when the last one ended, and whether WAL is archived."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from installer.config.backup_rules import NO_REPOSITORY
from installer.config.source import value_at
from installer.inventory import Inventory, Role
from installer.status.database import leader_name, primary_view
from installer.status.facts import ClusterFacts
from installer.status.model import Finding, Verdict
from installer.status.words import seconds_words

_MOST_AGE_H = 26  # the default of backup.max_age_hours
_WAL_WAITS_S = 300  # a minute is what WAL waits at most where all is well
_SERVICE = str(Role.DATABASE)


def is_backed_up(inventory: Inventory) -> bool:
    """Tell whether the inventory names a repository."""
    kind = value_at(inventory.settings, ("backup", "repository"))
    return kind not in (None, NO_REPOSITORY)


def backup_words(facts: ClusterFacts) -> str:
    """Return the age of the last backup; empty where there are none to be."""
    if not is_backed_up(facts.inventory) or not primary_view(facts):
        return ""
    last = _last(facts)
    if last is None:
        return "no backup yet"
    return f"last backup {seconds_words(_age(facts, last).total_seconds())} ago ({last['type']})"


def backup_findings(facts: ClusterFacts) -> Iterator[Finding]:
    """Yield a finding when a loss now would cost more than it should."""
    view, primary = primary_view(facts), leader_name(facts)
    if not is_backed_up(facts.inventory) or not view or primary is None:
        return
    most = value_at(facts.inventory.settings, ("backup", "max_age_hours")) or _MOST_AGE_H
    last, limit = _last(facts), timedelta(hours=float(str(most)))
    if last is None or _age(facts, last) > limit:
        what = backup_words(facts)
        yield Finding(
            code="backup-too-old",
            where=_SERVICE,
            what=what if last is None else f"{what}, more than {most} h",
            remedy=f"`cfy_manager cluster backup -i {facts.inventory.path}`; "
            "`systemctl list-timers 'cloudify-backup*'` on the database nodes",
            verdict=Verdict.HEALTHY,
        )
    archiver = view.get("archiver") or {}
    # a command that hangs never fails: what it is to archive waits, and nothing tells of it
    if archiver.get("failing") or archiver.get("waiting_s", 0) > _WAL_WAITS_S:
        yield Finding(
            code="wal-not-archived",
            where=primary,
            what=f"WAL is not archived since {archiver.get('since')}: it fills the disk, and a "
            "restore ends there",
            remedy=f"`runuser -u postgres -- pgbackrest --stanza=cloudify check` on {primary}",
            verdict=Verdict.DEGRADED,
        )


def _last(facts: ClusterFacts) -> Mapping[str, Any] | None:
    told = primary_view(facts).get("backup")
    return dict(json.loads(told)) if told else None


def _age(facts: ClusterFacts, last: Mapping[str, Any]) -> timedelta:
    return facts.now - datetime.fromtimestamp(last["finished"], UTC)
