"""What `logs fetch` is told, and where it writes."""

import tarfile
import time
from pathlib import Path

import pytest

from installer.actions import logs as action
from installer.actions.logs import Fetched, LogWish
from installer.actions.masking import Masker
from installer.cli import logs, run
from installer.engine.outcome import Logs
from installer.errors import Problem


@pytest.fixture
def wishes(monkeypatch):
    calls = []

    def fetch(wish, target):
        calls.append((wish, target))
        target.write_bytes(b"")
        return Fetched(path=target, files=3, cut=("db-1/journal.txt",))

    monkeypatch.setattr(logs, "fetch_node_logs", fetch)
    return calls


@pytest.mark.parametrize(
    ("word", "age_s"), [("30m", 1800), ("6h", 21600), ("2d", 172800), ("1970-01-02", None)]
)
def test_the_oldest_line_is_said_by_age_or_date(wishes, tmp_path, word, age_s):
    words = ["--since", word, "-o", str(tmp_path / "a.tar.gz")]

    assert run(["logs", "fetch", *words]) == 0

    expected = 86400 if age_s is None else time.time() - age_s
    assert wishes[0][0].since == pytest.approx(expected, abs=60)


def test_a_word_that_is_no_moment_is_refused(wishes, capsys):
    assert run(["logs", "fetch", "--since", "yesterday"]) == 2
    assert "yesterday" in capsys.readouterr().err
    assert wishes == []


def test_an_archive_that_is_there_is_never_overwritten(wishes, tmp_path):
    target = tmp_path / "a.tar.gz"
    target.write_text("mine")

    assert run(["logs", "fetch", "-o", str(target)]) == 2

    assert target.read_text() == "mine"


def test_what_is_cut_is_told(wishes, tmp_path, capsys):
    run(["logs", "fetch", "-o", str(tmp_path / "a.tar.gz")])

    assert "cut to its limit: db-1/journal.txt" in capsys.readouterr().out


def test_a_node_that_does_not_answer_leaves_the_others_and_exit_5(monkeypatch, tmp_path, capsys):
    problem = Problem(where="db-3", what="no answer", remedy="look")
    target = tmp_path / "a.tar.gz"

    def fetch(_path, _wish, to):
        to.write_bytes(b"")
        return Fetched(path=to, files=1, cut=(), problems=(problem,))

    monkeypatch.setattr(logs, "fetch_cluster_logs", fetch)
    inventory = tmp_path / "i.yaml"
    inventory.touch()

    assert run(["cluster", "logs", "fetch", "-i", str(inventory), "-o", str(target)]) == 5

    assert "db-3" in capsys.readouterr().err
    assert target.exists()


def test_the_archive_is_its_owners_only_and_masked(monkeypatch, tmp_path):
    found = Logs(texts=(("journal.txt", b"a secret-word b"),), cut=())
    target = tmp_path / "a.tar.gz"

    action._written(target, {"db-1": found}, Masker(["secret-word"]), ())

    assert target.stat().st_mode & 0o777 == 0o600
    with tarfile.open(target) as archive:
        (member,) = archive
        file = archive.extractfile(member)
        assert file is not None
        assert (member.name, file.read()) == ("a/db-1/journal.txt", b"a ******** b")


def test_an_archive_that_is_not_finished_is_taken_away(tmp_path):
    target = tmp_path / "a.tar.gz"

    def broken(_text):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        action._written(target, {"n": Logs(texts=(("x", b"y"),), cut=())}, broken, ())

    assert not Path(target).exists()


def test_a_wish_has_a_limit_in_megabytes():
    asked = {}

    class Session:
        def logs(self, **wish):
            asked.update(wish)

    LogWish(since=5.7, most_mb=2).of(Session())

    assert (asked["since"], asked["total"]) == (5, 2 * 1024 * 1024)
