"""The status tells how old the last backup is, and when WAL is not archived."""

import json
from dataclasses import replace

import pytest

from installer.status.judge import judge
from installer.status.model import Verdict
from installer.status.request import SQL
from tests.unit.installer.status.world import NOW, healthy, sql, with_answer


def facts_with(*, repository="s3", hours=None, failing=False, waiting_s=0):
    last = {"label": "F", "type": "diff", "finished": NOW.timestamp() - (hours or 0) * 3600}
    view = sql(
        backup=None if hours is None else json.dumps(last),
        archiver={"failing": failing, "since": "2026-05-31 20:00:00", "waiting_s": waiting_s},
    )
    facts = with_answer(healthy(), SQL, view, "db-1")
    settings = {**facts.inventory.settings, "backup": {"repository": repository}}
    return replace(facts, inventory=replace(facts.inventory, settings=settings))


@pytest.mark.parametrize(
    ("hours", "words", "codes"),
    [
        (3, "last backup 3 h ago (diff)", []),
        (27, "last backup 27 h ago (diff)", ["backup-too-old"]),
        (None, "no backup yet", ["backup-too-old"]),
    ],
)
def test_the_age_of_the_last_backup_is_told(hours, words, codes):
    status = judge(facts_with(hours=hours))

    assert words in status.summary["database"]
    assert [finding.code for finding in status.findings] == codes
    assert status.verdict is Verdict.HEALTHY


@pytest.mark.parametrize("how", [{"failing": True}, {"waiting_s": 301}], ids=["fails", "hangs"])
def test_wal_that_is_not_archived_degrades_the_cluster(how):
    status = judge(facts_with(hours=1, **how))

    assert [finding.code for finding in status.findings] == ["wal-not-archived"]
    assert status.verdict is Verdict.DEGRADED


def test_wal_that_waits_for_its_turn_is_well():
    assert judge(facts_with(hours=1, waiting_s=60)).findings == ()


def test_without_a_repository_nothing_is_told_of_backups():
    status = judge(facts_with(repository="none", failing=True))

    assert status.findings == ()
    assert "backup" not in status.summary["database"]
