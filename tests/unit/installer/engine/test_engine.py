"""Many nodes at once; each test runs a process of its own, because gevent must come first."""

import json
import subprocess
import sys
from textwrap import dedent

import pytest

PRELUDE = """
from gevent import monkey
monkey.patch_all()
import json, logging, os, socket, sys, time
from installer.engine.engine import Engine
from installer.engine.target import Target
from installer.secrets import Secret
out = {}
"""


def drive(body):
    """Run a body with gevent in place; it leaves its findings in `out`."""
    script = f"{PRELUDE}{dedent(body)}\nsys.stdout.write(json.dumps(out))\n"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_a_node_that_cannot_be_reached_is_a_problem_and_not_an_exception():
    found, _ = drive("""
        targets = [Target("gone", "127.0.0.1", port=1, known_hosts=os.devnull), Target("here")]
        with Engine(targets) as engine:
            out["problems"] = {n: str(p) for n, p in engine.connect().items()}
            outcomes = engine.on_each(["gone", "here"], lambda session: session.name)
            out["values"] = {n: o.value for n, o in outcomes.items()}
    """)

    assert list(found["problems"]) == ["gone"]
    assert "ssh -p 1 root@127.0.0.1 true" in found["problems"]["gone"]
    assert found["values"] == {"gone": "gone", "here": "here"}


def test_a_bug_on_one_node_does_not_end_the_others():
    found, log = drive("""
        def act(session):
            return 1 / (0 if session.name == "bad" else 2)

        targets = [Target("bad", "127.0.0.1", port=1), Target("good")]
        with Engine(targets) as engine:
            outcomes = engine.on_each(["bad", "good"], act)
        out["good"] = outcomes["good"].value
        out["bad"] = str(outcomes["bad"].error)
    """)

    assert found["good"] == 0.5
    assert "ZeroDivisionError" in found["bad"]
    assert "Traceback" in log


def test_a_silent_host_is_given_up_in_time():
    """It accepts the connection and never says a word."""
    found, _ = drive("""
        import installer.engine.connection as connection
        connection.CONNECT_S = 1
        silent = socket.create_server(("127.0.0.1", 0))
        target = Target("mute", "127.0.0.1", port=silent.getsockname()[1], known_hosts=os.devnull)
        started = time.monotonic()
        with Engine([target]) as engine:
            out["problem"] = str(engine.connect()["mute"])
        out["seconds"] = time.monotonic() - started
    """)

    assert "cannot log in" in found["problem"]
    assert found["seconds"] < 8


def test_no_secret_is_logged_at_any_level():
    """pyinfra prints arguments of facts and operations; ours travel by stdin only."""
    found, log = drive("""
        logging.basicConfig(level=logging.DEBUG)
        secrets = {"PW": Secret("hush-hush")}
        with Engine([Target("here")]) as engine:
            def act(session):
                return session.run("echo ok; : in-the-script", stdin_secrets=secrets)
            outcome = engine.on_each(["here"], act)["here"]
            out["stdout"] = outcome.value.stdout if outcome.value else str(outcome.error)
    """)

    assert found["stdout"] == "ok\n"
    assert "here: starting an agent: " in log
    assert "hush-hush" not in log
    assert "in-the-script" not in log


@pytest.mark.parametrize("body", ["", "raise ValueError('in the middle')"])
def test_only_one_engine_is_open_and_each_is_closed(body):
    found, _ = drive(f"""
        try:
            with Engine([Target("here")]):
                try:
                    Engine([Target("here")]).__enter__()
                except RuntimeError as error:
                    out["second"] = str(error)
                {body or "pass"}
        except ValueError:
            pass
        with Engine([Target("here")]) as engine:
            out["third"] = engine.session("here").name
    """)

    assert found == {"second": "another Engine is open in this process", "third": "here"}


def test_ssh_without_gevent_is_refused():
    """One slow node would block all others."""
    from installer.engine.engine import Engine
    from installer.engine.target import Target

    with pytest.raises(RuntimeError, match="gevent must patch"):
        Engine([Target("far", "192.0.2.1")])
