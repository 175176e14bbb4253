"""A node answers many questions within a time, and hands over configuration but no key."""

import time

import pytest

from installer.engine.node import support


@pytest.fixture
def ask(monkeypatch, tmp_path):
    record = {"file": {}}
    monkeypatch.setattr(support, "written", lambda: record)

    def ask(*questions, files=(), limit=100, total=1000, limit_s=20.0, ours=()):
        record["file"] = dict.fromkeys(map(str, ours), "state")
        told = support.main(
            {
                "questions": list(questions),
                "files": [str(tmp_path / pattern) for pattern in files],
                "limit": limit,
                "total": total,
                "limit_s": limit_s,
            }
        )
        return dict(told["texts"]), told["cut"], dict(told["failed"])

    return ask


def test_an_answer_shows_what_was_asked(ask):
    texts, _, failed = ask(("a.txt", "echo one; echo two >&2", 5.0))

    assert texts == {"a.txt": b"$ echo one; echo two >&2\none\ntwo\n"}
    assert failed == {}


def test_what_fails_is_told_and_its_words_are_kept(ask):
    texts, _, failed = ask(("a.txt", "echo no such thing >&2; exit 3", 5.0), ("b.txt", "true", 5.0))

    assert failed == {"a.txt": "exit 3: no such thing"}
    assert texts["a.txt"].endswith(b"no such thing\n[exit 3]\n")
    assert "b.txt" in texts


def test_a_service_that_hangs_costs_its_own_time_only(ask):
    began = time.monotonic()

    texts, _, failed = ask(("a.txt", "sleep 60", 0.2), ("b.txt", "echo there", 5.0))

    assert time.monotonic() - began < 30
    assert failed == {"a.txt": "no end within its time"}
    assert b"there" in texts["b.txt"]


def test_what_is_not_asked_in_time_is_told(ask):
    hanging = [(f"{n}.txt", "sleep 60", 50.0) for n in range(5)]

    _, _, failed = ask(*hanging, limit_s=0.3)

    assert set(failed) == {"0.txt", "1.txt", "2.txt", "3.txt", "4.txt"}
    assert failed["4.txt"] == "it was not asked in time"


def test_files_of_ours_and_of_patterns_come_but_no_key(ask, tmp_path):
    ours = tmp_path / "ours.conf"
    ours.write_text("of our run")
    (tmp_path / "more.conf").write_text("by hand")
    (tmp_path / "node.key").write_text("a key by its name")
    (tmp_path / "pair.conf").write_text("x\n-----BEGIN PRIVATE KEY-----\n")
    (tmp_path / "program.conf").write_bytes(b"\x7fELF\0")

    texts, _, _ = ask(files=["*"], ours=[ours, tmp_path / "gone.conf"])

    assert texts == {f"files{ours}": b"of our run", f"files{tmp_path}/more.conf": b"by hand"}


def test_a_long_file_is_cut_and_told(ask, tmp_path):
    (tmp_path / "long.conf").write_text("x" * 50)

    texts, cut, _ = ask(files=["*"], limit=10)

    assert list(texts.values()) == [b"x" * 10]
    assert cut == list(texts)
