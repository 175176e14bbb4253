"""What a person reads of a plan and of drift, and is asked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from installer.actions.on_drift import OnDrift
from installer.actions.plan import Planned
from installer.cli.plan_view import ask_person, drift_view, plan_view
from installer.engine.changes import FileChange
from installer.engine.drift import Drift, Drifted
from installer.engine.observation import PathFact, digest
from installer.plan.changes import Kind, PlannedChange
from installer.plan.document import SavedPlan
from installer.plan.fingerprint import Fingerprint
from installer.state import ManagedFile

INVENTORY = Path("ten.yaml")
OURS, HAND = digest(b"ours\n"), digest(b"hand\n")
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def change(node, kind, name, **more):
    values = {"phase": "database/patroni", "text": f"change {name}", **more}
    return PlannedChange(node=node, kind=kind, name=name, **values)


RESTART = change(
    "db-2",
    Kind.UNIT,
    "patroni.service",
    text="restart patroni.service, one node at a time",
    new="restart",
    reason="/etc/app.conf",
    effect="a replica takes over",
)
FILE = change("db-1", Kind.FILE, "/etc/app.conf", old="a", new="b", by_hand=True)


def planned(*changes, **more):
    plan = SavedPlan(
        cluster="ten",
        inventory="ten.yaml",
        version="1",
        created=NOW,
        expires=NOW + timedelta(hours=24),
        changes=changes,
        fingerprint=Fingerprint(),
        generated=more.pop("generated", ()),
    )
    values = {"nodes": ("db-1", "db-2"), "diffs": {}, "drifts": {}, "output": None, **more}
    return Planned(plan=plan, **values)


def shown(capsys, *changes, with_diff=False, **more):
    plan_view(planned(*changes, **more), INVENTORY, with_diff=with_diff)
    return capsys.readouterr().out


def test_a_table_has_a_row_for_each_node_and_only_columns_that_say_something(capsys):
    rows = [line.split() for line in shown(capsys, FILE, RESTART).splitlines()[:4]]

    assert rows == [
        ["node", "changed", "restarts", "by", "hand"],
        ["db-1", "1", "·", "1"],
        ["db-2", "·", "1", "·"],
        ["all", "1", "1", "1"],
    ]


def test_a_restart_is_told_with_its_reason_and_its_meaning(capsys):
    told = shown(capsys, RESTART)

    line = "db-2: restart patroni.service (/etc/app.conf) one node at a time: a replica takes over"
    assert line in told


def test_what_a_person_changed_and_the_run_replaces_is_told(capsys):
    assert "a copy stays below /var/lib/cfy_manager/replaced)\n  db-1: /etc/app.conf" in shown(
        capsys, FILE
    )


def test_many_changes_are_listed_on_request_only(capsys):
    many = [replace(FILE, name=f"/etc/{n}", text=f"write /etc/{n}") for n in range(31)]

    assert "write /etc/7" not in shown(capsys, *many)
    assert "write /etc/7" in shown(capsys, *many, with_diff=True)
    assert "write /etc/7" in shown(capsys, *many[:30])


def test_diffs_are_shown_on_request(capsys):
    diffs = {"db-1": ("--- now\n+++ then\n",)}

    assert "+++ then" not in shown(capsys, FILE, diffs=diffs)
    assert "db-1: --- now\n+++ then" in shown(capsys, FILE, diffs=diffs, with_diff=True)


def test_an_empty_plan_says_so(capsys):
    assert "no changes" in shown(capsys)


def test_a_saved_plan_tells_until_when_and_the_next_command(capsys):
    told = shown(capsys, FILE, output=Path("p.json"))

    assert "to be applied until 2026-05-05 12:00 UTC" in told
    assert "Next: cfy_manager cluster install -i ten.yaml --plan p.json" in told


def test_what_the_run_will_make_is_counted(capsys):
    generated = ("secret a", "secret b", "certificate ca.crt")

    assert "  2 secrets\n  1 certificate" in shown(capsys, FILE, generated=generated)


def drifted(drift=Drift.CHANGED, *, secret=False, found=b"hand\n"):
    file = ManagedFile(path="/etc/app.conf", content=b"ours\n", secret=secret)
    states = [f"{digest(content)} 0644 root root" for content in (b"ours\n", found)]
    before = PathFact("file", 0o644, "root", "root", digest(found), found.decode())
    return Drifted(
        kind="file",
        name=file.path,
        drift=drift,
        written=states[0],
        found=states[1],
        wanted=states[0],
        change=FileChange(file, before, is_foreign=True),
    )


def test_drift_is_shown_with_its_three_states(capsys):
    drift_view({"db-1": (drifted(),)}, INVENTORY, with_diff=True)

    told = capsys.readouterr().out
    assert told.splitlines()[:4] == [
        "db-1: file /etc/app.conf: changed by hand",
        f"    written  content {OURS[:8]}, 0644 root root",
        f"    found    content {HAND[:8]}, 0644 root root",
        "    wanted   as written",
    ]
    assert "-hand\n+ours" in told
    assert "Drift: 1 by hand, 0 others" in told


def test_the_content_of_a_secret_file_is_only_told_apart(capsys):
    drift_view({"db-1": (drifted(secret=True),)}, INVENTORY, with_diff=True)

    told = capsys.readouterr().out
    assert "written  secret content A" in told
    assert "found    secret content B" in told
    assert "hand\n" not in told.replace("by hand\n", "")
    assert digest(b"hand\n")[:8] not in told


def test_no_drift_says_so(capsys):
    drift_view({"db-1": ()}, INVENTORY, with_diff=False)

    assert "Drift: none" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "answer", "told"),
    [
        ("k\n", "keep", "was changed by hand"),
        ("o\n", "overwrite", ""),
        ("a\n", "adopt", ""),
        ("x\nd\nk\n", "keep", "-hand\n+ours"),
    ],
)
def test_a_person_is_asked_until_the_answer_is_one(typed, answer, told):
    @click.command()
    def ask():
        click.echo(f"so: {ask_person('db-1', drifted())}")

    result = CliRunner().invoke(ask, input=typed)

    assert f"so: {OnDrift(answer)}" in result.output
