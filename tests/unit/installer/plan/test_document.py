"""A saved plan is applied as it was saved, in time, where it was made, or not at all."""

import json
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from installer.errors import Refused
from installer.plan.changes import Kind, PlannedChange
from installer.plan.document import (
    SavedPlan,
    cluster_problem,
    expiry_problem,
    load_plan,
    save_plan,
)
from installer.plan.fingerprint import Fingerprint
from installer.plan.mask import Mask, make_mask, read_mask

MADE = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MASK = Mask(b"key")
CHANGE = PlannedChange(
    phase="database/patroni",
    node="db-1",
    kind=Kind.UNIT,
    name="patroni.service",
    text="restart patroni.service",
    new="restart",
    reason="/etc/patroni/config.yml",
)
PLAN = SavedPlan(
    cluster="ten",
    inventory="/x/ten.yaml",
    version="1.0",
    created=MADE,
    expires=MADE + timedelta(hours=24),
    changes=(CHANGE,),
    fingerprint=Fingerprint(configuration={"a": "b"}, nodes={"db-1": {"memory": "64 MiB"}}),
    only=("database",),
    generated=("secret admin_password",),
)


@pytest.fixture
def file(tmp_path):
    save_plan(PLAN, MASK, tmp_path / "plan.json")
    return tmp_path / "plan.json"


def code_of(refused):
    return refused.value.problems[0].code


def test_a_plan_is_read_as_it_was_saved(file):
    assert load_plan(file, MASK) == PLAN


def test_a_plan_is_for_its_owner_only(file):
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_plan_replaces_a_former_one_that_others_may_read(file):
    file.chmod(0o644)

    save_plan(PLAN, MASK, file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan["changes"].clear(),
        lambda plan: plan.update(expires="2099-01-01T00:00:00+00:00"),
        lambda plan: plan["fingerprint"]["nodes"]["db-1"].update(memory="128 MiB"),
        lambda plan: plan.pop("digest"),
    ],
)
def test_an_altered_plan_is_refused(file, change):
    plan = json.loads(file.read_text())
    change(plan)
    file.write_text(json.dumps(plan))

    with pytest.raises(Refused) as refused:
        load_plan(file, MASK)

    assert code_of(refused) == "plan-tampered"
    assert refused.value.exit_code == 8


def test_who_alters_a_plan_and_its_digest_lacks_the_key_for_its_seal(tmp_path):
    """Anybody can compute a digest; the key stays on the controller."""
    save_plan(replace(PLAN, changes=()), Mask(b"other"), tmp_path / "forged.json")

    with pytest.raises(Refused) as refused:
        load_plan(tmp_path / "forged.json", MASK)

    assert code_of(refused) == "plan-seal"


def test_a_controller_that_never_saved_a_plan_applies_none(file):
    with pytest.raises(Refused) as refused:
        load_plan(file, None)

    assert code_of(refused) == "plan-seal"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "other"}'])
def test_what_is_no_plan_is_refused_in_words(tmp_path, text):
    (tmp_path / "p").write_text(text)

    with pytest.raises(Refused) as refused:
        load_plan(tmp_path / "p", MASK)

    assert code_of(refused) == "plan-unreadable"


def test_a_plan_of_a_later_format_is_refused(file):
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 2}))

    with pytest.raises(Refused, match="format 2"):
        load_plan(file, MASK)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (MADE, None),
        (MADE + timedelta(hours=23, minutes=59), None),
        (MADE + timedelta(hours=24), "expired at 2026-05-05 12:00:00 UTC"),
        (MADE - timedelta(seconds=1), "after this clock's time"),
    ],
)
def test_a_plan_holds_from_its_making_to_its_expiry(file, now, told):
    problem = expiry_problem(PLAN, now, file)

    assert (problem is None) if told is None else (problem is not None and told in problem.what)


def test_a_plan_is_for_one_cluster(file):
    assert cluster_problem(PLAN, "ten", file) is None
    assert "ten (/x/ten.yaml), not for three" in str(cluster_problem(PLAN, "three", file))


def test_a_key_is_made_once_for_its_owner_only(tmp_path):
    path = tmp_path / "runs" / "plan.key"

    assert read_mask(path) is None
    one, two = make_mask(path), make_mask(path)

    assert one.word("a", "x") == two.word("a", "x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_mask_tells_nothing_but_equality():
    word = MASK.word("secret a", "weak")

    assert word == MASK.word("secret a", "weak")
    assert word != MASK.word("secret a", "other")
    assert word != MASK.word("secret b", "weak")
    assert word != Mask(b"another key").word("secret a", "weak")
    assert "weak" not in word
