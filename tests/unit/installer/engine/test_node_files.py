"""Files on a node: complete or not there, and never readable by more than they should be."""

import getpass
import os
import stat

import pytest

from installer.engine.node import files
from installer.engine.node.base import Failure


def entry(path, content=b"content\n", **changed):
    whole = {
        "path": str(path),
        "owner": getpass.getuser(),
        "group": None,
        "mode": 0o640,
        "content": content,
    }
    return whole | changed


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_has_its_content_and_mode(tmp_path):
    files.write_files([entry(tmp_path / "a", b"\xff\0", mode=0o604)])

    assert (tmp_path / "a").read_bytes() == b"\xff\0"
    assert mode(tmp_path / "a") == 0o604


def test_a_file_has_its_final_rights_before_its_first_byte(tmp_path, monkeypatch):
    """A stock upload is readable by all until its chmod."""
    seen = []
    write = os.write

    def watched(descriptor, content):
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return write(descriptor, content)

    monkeypatch.setattr(files.os, "write", watched)
    before = os.umask(0)
    try:
        files.write_files([entry(tmp_path / "key", mode=0o600)])
    finally:
        os.umask(before)

    assert seen == [0o600]


def test_a_big_file_is_written_whole(tmp_path):
    content = os.urandom(3_000_000)

    files.write_files([entry(tmp_path / "a", content)])

    assert (tmp_path / "a").read_bytes() == content


def test_a_link_is_replaced_and_its_target_left_alone(tmp_path):
    target = tmp_path / "target"
    target.write_text("untouched")
    (tmp_path / "link").symlink_to(target)

    files.write_files([entry(tmp_path / "link")])

    assert target.read_text() == "untouched"
    assert not (tmp_path / "link").is_symlink()


def test_no_file_is_replaced_when_one_cannot_be_written(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "blocker").write_text("a file where a directory should be")

    with pytest.raises(Failure) as failure:
        files.write_files([entry(tmp_path / "a"), entry(tmp_path / "blocker" / "b")])

    assert "blocker" in failure.value.where
    assert (tmp_path / "a").read_text() == "old"
    assert names_in(tmp_path) == ["a", "blocker"]


def test_what_a_killed_run_staged_is_replaced(tmp_path):
    (tmp_path / ".a.cfy_manager").write_text("half")

    files.write_files([entry(tmp_path / "a")])

    assert names_in(tmp_path) == ["a"]


def test_an_unknown_owner_is_explained(tmp_path):
    with pytest.raises(Failure) as failure:
        files.write_files([entry(tmp_path / "a", owner="nobody-by-this-name")])

    assert "nobody-by-this-name" in failure.value.what
    assert names_in(tmp_path) == []


def test_missing_parents_are_open_to_read_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        files.write_files([entry(tmp_path / "x" / "y" / "a")])
    finally:
        os.umask(before)

    assert [mode(tmp_path / "x"), mode(tmp_path / "x" / "y")] == [0o755, 0o755]


def test_a_directory_gets_its_mode(tmp_path):
    (tmp_path / "d").mkdir(mode=0o755)

    files.make_directories([entry(tmp_path / "d", mode=0o700)])

    assert mode(tmp_path / "d") == 0o700


def test_a_file_in_the_place_of_a_directory_is_a_problem(tmp_path):
    (tmp_path / "d").write_text("")

    with pytest.raises(Failure, match="not a directory"):
        files.make_directories([entry(tmp_path / "d")])


def test_removing_takes_trees_files_and_dangling_links(tmp_path):
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    files.remove([str(tmp_path / name) for name in ("tree", "file", "link", "never-there")])

    assert names_in(tmp_path) == []


def test_a_file_that_cannot_be_synced_is_not_published(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)

    with pytest.raises(Failure, match="No space left"):
        files.write_files([entry(tmp_path / "a")])

    assert names_in(tmp_path) == []


def test_a_file_is_never_open_to_others_even_while_empty(tmp_path, monkeypatch):
    """Who opens it then can read what is written later."""
    seen = []
    open_file = os.open

    def watched(path, flags, mode=0o777):
        descriptor = open_file(path, flags, mode)
        if flags & os.O_CREAT:
            seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    monkeypatch.setattr(files.os, "open", watched)
    before = os.umask(0)
    try:
        files.write_files([entry(tmp_path / "key", mode=0o600)])
    finally:
        os.umask(before)

    assert seen == [0o600]
