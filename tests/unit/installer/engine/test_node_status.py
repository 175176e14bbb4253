"""A node tells how it is: services that answer, refuse or hang, files that were changed."""

import hashlib
import json
import socket
import struct
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from installer.engine.node import sql, status, written


@contextmanager
def serving(*replies, path=None):
    """Answer each connection with the next reply; None hangs until the end."""
    server = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    server.bind(path or ("127.0.0.1", 0))
    server.listen()
    over, seen = threading.Event(), []

    def serve():
        for reply in replies:
            connection, _ = server.accept()
            with connection:
                seen.append(connection.recv(65536))
                if reply is None:
                    over.wait(10)
                else:
                    connection.sendall(reply)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname(), seen
    finally:
        over.set()
        thread.join(10)
        server.close()


def asked(monkeypatch, gets, limit_s=1.0):
    monkeypatch.setattr(status, "tls_context", lambda files: None)
    request = {"limit_s": limit_s, "tls": {}, "gets": gets, "looks": False}
    return status.main(request)["answers"]


def test_a_body_goes_back_as_it_came(monkeypatch, tmp_path):
    key = tmp_path / "api.key"
    key.write_text("secret\n")
    with serving(b"HTTP/1.1 503 No\r\nA: b\r\n\r\n{}\n") as ((host, port), seen):
        ask = {"host": host, "port": port, "path": "/x", "key_file": str(key), "key_header": "K"}
        answers = asked(monkeypatch, {"one": ask})

    assert answers == {"one": ("ok", (503, "{}\n"))}
    assert seen[0].startswith(b"GET /x HTTP/1.0\r\n")
    assert b"\r\nK: secret\r\n" in seen[0]


def test_a_service_that_hangs_is_late_and_the_others_are_told(monkeypatch):
    with (
        serving(None) as ((_, hung), _),
        serving(b"HTTP/1.0 200 OK\r\n\r\nok") as ((_, well), _),
    ):
        gets = {
            "hung": {"host": "127.0.0.1", "port": hung, "path": "/"},
            "well": {"host": "127.0.0.1", "port": well, "path": "/"},
        }
        answers = asked(monkeypatch, gets, limit_s=0.3)

    assert answers["well"] == ("ok", (200, "ok"))
    outcome, why = answers["hung"]
    assert outcome == "failed"
    assert "answer" in why


def test_who_refuses_is_told_in_words(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    answers = asked(monkeypatch, {"gone": {"host": "127.0.0.1", "port": port, "path": "/"}})

    assert answers == {"gone": ("failed", "it refuses connections")}


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


READY = message(b"R", struct.pack("!i", 0)) + message(b"Z", b"I")


def answer_of(monkeypatch, tmp_path, *replies):
    path = str(tmp_path / "s")
    monkeypatch.setattr(sql, "SOCKET", path)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def serve():
        with server.accept()[0] as connection:
            for reply in replies:
                connection.recv(65536)
                connection.sendall(reply)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(5)
        connection.connect(path)
        return sql.ask(connection, "postgres", "select 1")
    finally:
        thread.join(5)
        server.close()


def test_postgresql_answers_one_value(monkeypatch, tmp_path):
    row = message(b"D", struct.pack("!hi", 1, 4) + b"true") + message(b"Z", b"I")

    assert answer_of(monkeypatch, tmp_path, READY, row) == "true"


def test_no_row_is_no_value(monkeypatch, tmp_path):
    assert answer_of(monkeypatch, tmp_path, READY, message(b"Z", b"I")) == ""


def test_an_error_of_postgresql_is_told_in_its_words(monkeypatch, tmp_path):
    error = message(b"E", b"SFATAL\0Mthe database system is starting up\0\0")

    with pytest.raises(ConnectionError, match="starting up"):
        answer_of(monkeypatch, tmp_path, error)


def test_a_demand_for_a_password_is_told(monkeypatch, tmp_path):
    with pytest.raises(ConnectionError, match="password"):
        answer_of(monkeypatch, tmp_path, message(b"R", struct.pack("!i", 10)))


def recorded(monkeypatch, tmp_path, **files):
    """Write files and record them as our last run left them."""
    states = {}
    for name, text in files.items():
        path = tmp_path / name
        path.write_text(text)
        states[str(path)] = written.state_of(str(path))
    return {"file": states}


def test_files_changed_and_removed_by_hand_are_told(monkeypatch, tmp_path):
    record = recorded(monkeypatch, tmp_path, same="a", changed="b", mode="c", gone="d", kept="e")
    (tmp_path / "changed").write_text("by hand")
    (tmp_path / "mode").chmod(0o777)
    (tmp_path / "gone").unlink()
    (tmp_path / "kept").write_text("a person decided so")
    record["kept"] = {str(tmp_path / "kept"): hashlib.sha256(b"x").hexdigest()}

    changed, removed = status._drift(record)

    assert [Path(path).name for path in changed] == ["changed", "mode"]
    assert [Path(path).name for path in removed] == ["gone"]


def test_a_folder_or_link_in_place_of_a_file_is_a_change(tmp_path, monkeypatch):
    record = recorded(monkeypatch, tmp_path, folder="a", link="b")
    for name in ("folder", "link"):
        (tmp_path / name).unlink()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    changed, removed = status._drift(record)

    assert [Path(path).name for path in changed] == ["folder", "link"]
    assert removed == []


def test_each_file_system_is_told_once_with_its_room():
    disks = status._disks()

    assert disks
    for size, free, inodes, free_inodes in disks.values():
        assert 0 <= free <= size
        assert 0 <= free_inodes <= max(inodes, free_inodes)


def test_a_host_holds_its_own_address_and_no_other():
    told = {
        address: status.holds_address(address) for address in ("127.0.0.1", "::1", "192.0.2.77")
    }

    assert told["127.0.0.1"]
    assert not told["192.0.2.77"]


def test_what_is_told_can_be_written_as_a_literal(monkeypatch):
    """The agent sends `repr` and the controller reads a literal."""
    monkeypatch.setattr(status, "written", lambda: {})

    told = status.main({"limit_s": 1.0})

    assert eval(repr(told), {}) == told
    assert json.dumps(told)
