"""A node hands over its journal and the log files since a moment, within a size."""

import gzip
import os
import time

import pytest

from installer.engine.node import logs
from installer.engine.node.base import Failure

NOW = int(time.time())


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A folder of logs, and a journal of ten bytes."""
    monkeypatch.setattr(logs, "journal", lambda _, limit, _s: (b"0123456789"[-limit:], limit < 10))

    def write(name, content, age_s=0):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (NOW - age_s, NOW - age_s))
        return str(path).lstrip("/")

    def ask(limit=100, total=1000):
        sizes = {"limit": limit, "total": total, "journal_s": 10}
        wish = {"since": NOW - 60, "folders": [str(tmp_path)], **sizes}
        told = logs.main(wish)
        return dict(told["texts"]), told["cut"]

    return write, ask


def test_files_since_the_moment_come_after_the_journal(node):
    write, ask = node
    new, _ = write("a/new.log", b"new"), write("a/old.log", b"old", age_s=300)

    assert ask() == ({"journal.txt": b"0123456789", new: b"new"}, [])


def test_of_a_long_text_its_end_is_kept(node):
    write, ask = node
    name = write("long.log", b"begin" + b"x" * 6)

    texts, cut = ask(limit=6)

    assert texts == {"journal.txt": b"456789", name: b"x" * 6}
    assert cut == ["journal.txt", name]


def test_what_was_written_last_has_the_first_claim_on_the_space(node):
    write, ask = node
    first, second = write("first.log", b"a" * 8, age_s=1), write("second.log", b"b" * 8, age_s=9)

    texts, cut = ask(total=20)

    assert texts[first] == b"a" * 8
    assert texts[second] == b"b" * 2
    assert cut == [second]


def test_a_packed_file_is_unpacked_so_that_its_secrets_can_be_found(node):
    write, ask = node
    name = write("old.log.gz", gzip.compress(b"words"))

    assert ask()[0][name.removesuffix(".gz")] == b"words"


def test_a_file_that_only_looks_packed_is_left_out(node):
    write, ask = node
    write("half.log.gz", gzip.compress(b"words" * 100)[:-20])

    assert set(ask()[0]) == {"journal.txt"}


def test_a_link_is_not_followed(node, tmp_path):
    """It might lead to what no log holds."""
    write, ask = node
    target = write("../elsewhere", b"secret")
    (tmp_path / "link.log").symlink_to(f"/{target}")

    assert set(ask()[0]) == {"journal.txt"}


@pytest.fixture
def journalctl(tmp_path, monkeypatch):
    """Return what puts a script in the place of the journal's reader."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def put(script):
        tool = tmp_path / "journalctl"
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)

    return put


def test_of_the_journal_only_the_end_is_held(journalctl):
    journalctl("seq 1000000")

    assert logs.journal(NOW, 15, 30) == (b"999999\n1000000\n", True)


def test_a_short_journal_is_whole(journalctl):
    journalctl("echo one; echo two")

    assert logs.journal(NOW, 100, 30) == (b"one\ntwo\n", False)


def test_of_a_journal_that_does_not_end_in_time_there_is_what_was_read(journalctl):
    journalctl("echo early; exec sleep 60")
    began = time.monotonic()

    assert logs.journal(NOW, 100, 0.5) == (b"early\n", True)
    assert time.monotonic() - began < 30


def test_a_journal_that_cannot_be_read_is_told(journalctl):
    journalctl("echo 'it is broken' >&2; exit 1")

    with pytest.raises(Failure, match="it is broken"):
        logs.journal(NOW, 100, 30)
