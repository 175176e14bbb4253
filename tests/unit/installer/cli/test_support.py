"""What `support-bundle` is told, and what it tells."""

import pytest

from installer.cli import run, support
from installer.errors import Problem
from installer.support.contents import Bundled

PROBLEM = Problem(where="db-3", what="no answer", remedy="look")


@pytest.fixture
def inventory(tmp_path):
    path = tmp_path / "i.yaml"
    path.touch()
    return path


def bundled(path, *, failed=(), problems=()):
    path.write_bytes(b"")
    return Bundled(path=path, files=3, seconds=1.0, failed=failed, cut=(), problems=problems)


def test_a_node_that_does_not_answer_leaves_the_others_and_exit_5(
    monkeypatch, inventory, tmp_path, capsys
):
    def bundle(_path, _wish, target, _describe):
        return bundled(target, problems=(PROBLEM,))

    monkeypatch.setattr(support, "bundle_cluster", bundle)
    target = tmp_path / "a.tar.gz"

    code = run(["cluster", "support-bundle", "-i", str(inventory), "-o", str(target)])

    said = capsys.readouterr()
    assert code == 5
    assert "db-3" in said.err
    assert "3 files" in said.out
    assert target.exists()


def test_what_could_not_be_had_is_told_but_not_without_end(monkeypatch, tmp_path, capsys):
    failed = tuple(f"db-1/answers/{n}.txt: exit 1" for n in range(30))
    wishes = []

    def bundle(wish, target):
        wishes.append(wish)
        return bundled(target, failed=failed)

    monkeypatch.setattr(support, "bundle_node", bundle)

    assert run(["support-bundle", "--timeout", "30", "-o", str(tmp_path / "a.tar.gz")]) == 0

    said = capsys.readouterr().out
    assert said.count("not had:") == 12
    assert "and 18 more" in said
    assert wishes[0].timeout_s == 30
