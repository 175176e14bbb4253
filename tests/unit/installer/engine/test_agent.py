"""An agent serves many requests; each test runs real processes on this machine."""

import os
import signal
import time

import pytest

from installer.engine.agent import Agent, AgentGone, LocalStream, Request
from installer.engine.wire import command, read_reply


def within_s(limit_s, condition):
    deadline = time.monotonic() + limit_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


@pytest.fixture
def agent():
    agent = Agent(LocalStream(command(sudo=False)))
    yield agent
    agent.close()


def script(text, limit_s=30):
    return Request("script", {"script": text, "secrets": {}, "timeout_s": limit_s}, limit_s)


def told(agent, request):
    lines = agent.ask(request)
    return read_reply("db-1", lines, lines)


def test_one_interpreter_answers_all_requests(agent):
    """The start of one is most of what a small request costs."""
    parents = {told(agent, script("ps -o ppid= -p $PPID"))["stdout"] for _ in range(3)}

    assert len(parents) == 1


def test_modules_are_sent_once(agent, monkeypatch):
    sent = []
    send = agent._stream.send
    monkeypatch.setattr(agent._stream, "send", lambda text: (sent.append(len(text)), send(text)))

    told(agent, script("true"))
    told(agent, script("true"))

    assert sent[1] < sent[0] / 5


def test_a_request_leaves_nothing_behind_for_the_next(agent):
    """A program that changes its process must not change what comes after it."""
    crash = Request("script", {}, 30)

    assert "KeyError" in told(agent, crash).what
    assert told(agent, script("pwd; umask"))["code"] == 0


def test_a_hung_request_ends_and_the_agent_goes_on(agent):
    hung = Request("script", {"script": "sleep 30", "secrets": {}, "timeout_s": 30}, 1)

    assert "did not end within its time" in told(agent, hung).what
    assert told(agent, script("echo on"))["stdout"] == "on\n"


def test_an_agent_that_is_killed_while_it_answers_is_a_problem(agent):
    problem = told(agent, script("kill -KILL $(ps -o ppid= -p $PPID); sleep 1"))

    assert problem.what
    assert within_s(5, lambda: not agent.is_alive)  # its parent learns of it a moment later


def test_an_agent_that_was_killed_is_not_asked_again(agent):
    os.kill(int(told(agent, script("ps -o ppid= -p $PPID"))["stdout"]), signal.SIGKILL)

    deadline = time.monotonic() + 5
    while agent.is_alive and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not agent.is_alive


def test_a_request_that_an_agent_never_began_may_go_to_another(agent, tmp_path):
    """It looks alive for a moment after it was killed."""
    pid = int(told(agent, script("ps -o ppid= -p $PPID"))["stdout"])
    os.kill(pid, signal.SIGKILL)

    with pytest.raises(AgentGone):
        agent.ask(script(f"touch {tmp_path}/done"))

    assert not list(tmp_path.iterdir())


def test_an_agent_ends_with_its_stdin():
    """A controller that dies must leave no process on any node."""
    agent = Agent(LocalStream(command(sudo=False)))
    pid = int(told(agent, script("ps -o ppid= -p $PPID"))["stdout"])

    agent.close()

    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:  # noqa: PTH110
        time.sleep(0.02)
    assert not os.path.exists(f"/proc/{pid}")  # noqa: PTH110
