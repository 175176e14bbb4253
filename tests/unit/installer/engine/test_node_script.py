"""Shell text on a node: bounded, isolated, with its secrets."""

import time

from installer.engine.node.script import TIMED_OUT, run_command, run_script


def test_a_failing_line_ends_the_script():
    done = run_script("false\necho after", {}, 5)

    assert (done["code"], done["stdout"]) == (1, "")


def test_an_unset_variable_ends_the_script():
    assert run_script("echo $NOT_SET", {}, 5)["code"] != 0


def test_secrets_are_variables_of_the_script():
    assert run_script('printf %s "$PASSWORD"', {"PASSWORD": "a'b\"c\n"}, 5)["stdout"] == "a'b\"c\n"


def test_the_environment_of_the_login_does_not_leak_in(monkeypatch):
    monkeypatch.setenv("PGHOST", "elsewhere")

    assert run_script("echo ${PGHOST:-none}", {}, 5)["stdout"] == "none\n"


def test_a_deadline_ends_the_script_and_its_children(tmp_path):
    alive = tmp_path / "alive"
    started = time.monotonic()

    done = run_script(f"(sleep 2; touch {alive}) & sleep 60", {}, 0.3)

    assert done["code"] == TIMED_OUT
    assert time.monotonic() - started < 2
    time.sleep(max(0, 2.5 - (time.monotonic() - started)))  # when the child would have written
    assert not alive.exists()


def test_a_script_that_ignores_the_signal_is_killed(monkeypatch):
    monkeypatch.setattr("installer.engine.node.script._GRACE_S", 0.2)

    done = run_script("trap '' TERM; while :; do sleep 0.1; done", {}, 0.3)

    assert done["code"] == TIMED_OUT


def test_a_daemon_left_behind_does_not_hold_the_answer():
    started = time.monotonic()

    done = run_script("sleep 5 & echo done", {}, 20)

    assert done["stdout"] == "done\n"
    assert time.monotonic() - started < 3


def test_the_end_of_a_long_output_is_kept():
    done = run_command(["seq", "200000"], timeout_s=20)

    assert done["stdout"].endswith("\n200000\n")
    assert len(done["stdout"]) <= 256 * 1024


def test_an_error_of_the_shell_names_the_line():
    assert run_script(":\necho $NOT_SET", {}, 5)["stderr"] == "line 2: NOT_SET: parameter not set\n"
