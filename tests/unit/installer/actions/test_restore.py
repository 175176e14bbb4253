"""What may be restored is decided before anything is touched."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from installer.actions.backup import demand_rows
from installer.actions.backup_nodes import call, chosen, demand_repository
from installer.actions.restore_target import RestoreRequest, find_target
from installer.backup.backup_set import BackupSet, BackupType
from installer.engine.outcome import Result
from installer.errors import PhaseFailed, Refused
from installer.inventory import load_inventory
from tests.support.cluster import ROOT

NOT_REACHED = "restore-target-not-reached"
FIRST = datetime(2026, 1, 1, 2, tzinfo=UTC)


def backup(label, *, hours=0, point="cfy-point", **rows):
    at = FIRST + timedelta(hours=hours)
    return BackupSet(
        label=label,
        type=BackupType.FULL,
        began=at - timedelta(minutes=5),
        finished=at,
        size_bytes=1,
        stored_bytes=1,
        restore_point=point,
        rows=rows,
    )


OLD, NEW = backup("old"), backup("new", hours=10, point="cfy-new")


def refused(act):
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.problems[0]


def test_a_moment_begins_with_the_last_backup_before_it():
    request = RestoreRequest(moment=FIRST + timedelta(hours=9))

    target = find_target((OLD, NEW), request)

    assert (target.kind, target.backup) == ("time", OLD)
    assert target.value == "2026-01-01 11:00:00.000000+00"


def test_a_label_is_restored_to_the_moment_at_which_its_rows_were_counted():
    target = find_target((OLD, NEW), RestoreRequest(label="new"))

    assert (target.kind, target.value, target.backup) == ("name", "cfy-new", NEW)


def test_without_a_wish_everything_that_is_archived_is_restored():
    assert find_target((OLD, NEW), RestoreRequest()).kind == "default"


@pytest.mark.parametrize("moment", [FIRST - timedelta(hours=1), FIRST])
def test_a_moment_before_the_first_backup_is_refused(moment):
    problem = refused(lambda: find_target((OLD, NEW), RestoreRequest(moment=moment)))

    assert problem.code == "restore-target-unknown"
    assert "2026-01-01 02:00:00 UTC" in problem.what


def test_a_moment_in_the_future_is_refused():
    moment = datetime.now(UTC) + timedelta(hours=1)

    problem = refused(lambda: find_target((OLD,), RestoreRequest(moment=moment)))

    assert problem.code == "restore-target-unknown"


@pytest.mark.parametrize(
    ("sets", "label", "code"),
    [
        ((), None, "backup-missing"),
        ((OLD,), "other", "backup-missing"),
        ((backup("half", point=""),), "half", "backup-not-described"),
        ((backup("half", point=""),), None, "backup-missing"),
    ],
)
def test_what_is_not_there_whole_is_refused(sets, label, code):
    assert refused(lambda: chosen(sets, label)).code == code


def test_without_a_repository_there_are_no_backups():
    inventory = load_inventory(ROOT / "inventories" / "ten-nodes.yaml")

    assert refused(lambda: demand_repository(inventory)).code == "backup-without-repository"


@pytest.mark.parametrize("rows", [{"nodes": 6, "users": 1}, {"nodes": 7}, {}])
def test_rows_that_were_not_counted_so_fail_a_proof(rows):
    with pytest.raises(PhaseFailed) as caught:
        demand_rows("db-1", backup("one", nodes=7, users=1), rows)

    assert caught.value.problems[0].code == "backup-rows-differ"


def test_the_rows_that_were_counted_pass():
    demand_rows("db-1", backup("one", nodes=7), {"nodes": 7})


@pytest.mark.parametrize(
    ("request_", "options"),
    [
        (RestoreRequest(moment=FIRST), ["--target-time", "2026-01-01T02:00:00+00:00"]),
        (RestoreRequest(label="old"), ["--backup", "old"]),
        (RestoreRequest(), []),
    ],
)
def test_a_request_is_asked_for_again_by_its_options(request_, options):
    assert request_.options == options


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("recovery ended before configured recovery target was reached", NOT_REACHED),
        ("requested timeline 2 is not a child of this server's history", NOT_REACHED),
        ("target timeline 7 forked from backup timeline 5 at 0/a002cd8", NOT_REACHED),
        ("disk too small: /var/lib has 3 MiB free", "backup-disk-too-small"),
        ("could not connect to keeper.example.com", "backup-failed"),
    ],
)
def test_a_way_that_does_not_lead_there_is_told_from_a_store_that_fails(said, code):
    def run(*_, **__):
        return Result(code=1, stdout="", stderr=said)

    with pytest.raises(PhaseFailed) as caught:
        call(SimpleNamespace(name="db-1", run=run), "recover", "restore")

    assert caught.value.problems[0].code == code
