import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from installer.roles.loadbalancer import probe

HEADER = "# pxname,svname,status,check_status,last_chk,\n"
FRONT = "clients,FRONTEND,OPEN,,,\n"
BACK = "clients,BACKEND,UP,,,\n"
GOOD = "clients,m-1,UP,L7OK,HTTP status 401,\n"
BAD = "clients,m-2,DOWN,L4CON,Connection refused,\n"
NEW = "clients,m-2,UP,INI,,\n"
TRACKING = "agents,m-1,UP (via clients/m-1),,,\n"

Serve = Callable[[str], str]


@pytest.fixture
def haproxy(tmp_path: Path) -> Iterator[Serve]:
    """Return a function that serves a table on a socket, as HAProxy does, and gives its path."""
    path = str(tmp_path / "stats.sock")
    listener = socket.socket(socket.AF_UNIX)
    threads: list[threading.Thread] = []

    def serve(table: str) -> str:
        listener.bind(path)
        listener.listen()
        threads.append(threading.Thread(target=_answer_once, args=(listener, table)))
        threads[0].start()
        return path

    yield serve
    for thread in threads:
        thread.join()
    listener.close()


def _answer_once(listener: socket.socket, table: str) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(100)
        connection.sendall(table.encode())


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the set of addresses that the probe finds reachable."""
    addresses: set[str] = set()
    monkeypatch.setattr(probe, "_reaches", lambda address: address in addresses)
    return addresses


@pytest.mark.parametrize(
    ("last", "works"), [("L7OK", True), ("* L7OK", True), ("* L7STS", False), ("* INI", False)]
)
def test_a_check_that_runs_leaves_what_the_last_one_found(last, works):
    """Every two seconds one runs for some milliseconds."""
    row = f"clients,m-1,UP,{last},HTTP status 401,\n"

    assert [found[:2] for found in probe.servers(HEADER + row)] == [("m-1", works)]


def test_one_manager_that_works_is_enough(haproxy, reachable, capsys):
    path = haproxy(HEADER + FRONT + GOOD + BAD + BACK + TRACKING)

    assert probe.main(["at-least-one", path, "-", "10.0.0.31", "10.0.0.32"]) == 0
    assert "1 of 2 managers work" in capsys.readouterr().out


@pytest.mark.parametrize("server", [BAD, NEW], ids=["down", "not checked yet"])
def test_a_manager_counts_only_when_it_answered_as_it_should(haproxy, reachable, server):
    reachable.add("10.0.0.32")

    assert (
        probe.main(["at-least-one", haproxy(HEADER + FRONT + server + BACK), "-", "10.0.0.32"]) == 1
    )


def test_the_gate_defers_while_no_manager_is_there(haproxy, reachable):
    assert probe.main(["at-least-one", haproxy(HEADER + BAD), "-", "10.0.0.32"]) == probe.DEFERRED


def test_a_load_balancer_may_be_there_before_the_managers(haproxy, reachable):
    assert probe.main(["if-any", haproxy(HEADER + BAD), "-", "10.0.0.32"]) == 0


def test_managers_that_are_there_must_work(haproxy, reachable):
    """A second load balancer restarts once the first has managers again, not before."""
    reachable.add("10.0.0.32")

    assert probe.main(["if-any", haproxy(HEADER + BAD), "-", "10.0.0.32"]) == 1


def test_a_virtual_address_that_nobody_has_fails_the_gate(haproxy, reachable, capsys):
    assert probe.main(["at-least-one", haproxy(HEADER + GOOD), "10.0.0.40", "10.0.0.31"]) == 1
    assert "nobody answers at the virtual address 10.0.0.40" in capsys.readouterr().out


def test_without_haproxy_the_gate_says_so(tmp_path, capsys):
    assert probe.main(["at-least-one", str(tmp_path / "none.sock"), "-", "10.0.0.31"]) == 1
    assert "HAProxy does not answer" in capsys.readouterr().out
