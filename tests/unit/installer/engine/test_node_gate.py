"""A gate waits for what may come, and not for what its own check calls hopeless."""

import pytest

from installer.engine.node import diagnose, gate, probes

COPYING = "db-3 is creating replica"
ALARM = "rabbit@mq-1 has a disk alarm"
REQUEST = {
    "check": "true",
    "secrets": {},
    "timeout_s": 180.0,
    "longest_s": 0,
    "units": [],
    "may_defer": False,
    "watch": {"signs": [("rabbitmq-disk-alarm", "said", "has a disk alarm")], "ports": {}},
}


@pytest.fixture
def answers(monkeypatch):
    """What the check says, one answer after the other; time passes only while the gate sleeps."""
    clock = [1_800_000_000.0]
    for moment in ("time", "monotonic"):
        monkeypatch.setattr(gate.time, moment, lambda: clock[0])
    monkeypatch.setattr(gate.time, "sleep", lambda s: clock.__setitem__(0, clock[0] + s))
    for module in (diagnose, probes):
        monkeypatch.setattr(module, "run_command", lambda words, timeout_s: {"stdout": ""})
    said = []

    def check(script, secrets, left_s):
        text = said.pop(0) if len(said) > 1 else said[0]
        code = 76 if text == COPYING else 1 if text else 0
        return {"code": code, "stdout": text, "stderr": ""}

    monkeypatch.setattr(gate, "run_script", check)
    return said


def test_a_cause_that_the_check_itself_names_again_and_again_ends_the_wait(answers):
    answers.append(ALARM)

    told = gate.main(REQUEST)

    assert told["hopeless"]
    assert told["seconds"] < 20


def test_what_the_check_no_longer_says_is_over(answers):
    answers += [ALARM, ALARM, "too few members", ""]

    told = gate.main(REQUEST)

    assert told["passed"]
    assert not told["hopeless"]


def test_what_may_still_come_is_waited_for(answers):
    answers.append("too few members")

    told = gate.main(REQUEST)

    assert not told["hopeless"]
    assert told["seconds"] > 170


def test_time_in_which_it_comes_nearer_does_not_count(answers):
    """A large database copies for hours; each answer is half a second."""
    answers += [*[COPYING] * 2000, "too few members", ""]

    told = gate.main(REQUEST | {"longest_s": 3600})

    assert told["passed"]
    assert told["seconds"] > 5 * REQUEST["timeout_s"]


def test_what_comes_nearer_for_ever_is_not_waited_for(answers):
    answers.append(COPYING)

    told = gate.main(REQUEST | {"longest_s": 600})

    assert not told["passed"]
    assert 590 < told["seconds"] < 610


def test_a_copy_that_fails_again_and_again_ends_nearly_in_its_time(answers):
    """Each try is under way for a moment only."""
    answers += [COPYING, *["db-3 is stopped"] * 19] * 100

    told = gate.main(REQUEST | {"longest_s": 3600})

    assert not told["passed"]
    assert told["seconds"] < 1.1 * REQUEST["timeout_s"]
