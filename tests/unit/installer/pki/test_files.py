"""Files are whole or absent, and never open to others, not for a moment."""

import os
from pathlib import Path

import pytest

from installer.pki import files
from installer.pki.files import make_private_folder, write_atomically


class Killed(BaseException):
    """Ends a run where it stands, as SIGKILL would."""


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "node.key"
    path.write_bytes(b"old")
    return path


@pytest.mark.parametrize("step", ["fchmod", "fsync"])
def test_a_run_killed_while_writing_leaves_the_old_file(target, monkeypatch, step):
    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(files.os, step, killed)

    with pytest.raises(Killed):
        write_atomically(target, b"new", 0o600)

    assert target.read_bytes() == b"old"


def test_what_a_killed_run_left_is_replaced(target):
    target.with_name(".node.key.new").write_bytes(b"half")

    write_atomically(target, b"new", 0o600)

    assert target.read_bytes() == b"new"
    assert [path.name for path in target.parent.iterdir()] == ["node.key"]


def test_a_key_is_closed_from_its_first_byte(target, monkeypatch):
    """Also under a umask that takes nothing away."""
    seen = []
    real = os.fchmod

    def watching(descriptor: int, mode: int) -> None:
        status = os.fstat(descriptor)
        seen.append((status.st_mode & 0o777, status.st_size))
        real(descriptor, mode)

    monkeypatch.setattr(files.os, "fchmod", watching)
    umask = os.umask(0)
    try:
        write_atomically(target, b"new", 0o600)
    finally:
        os.umask(umask)

    assert seen == [(0o600, 0)]


def test_a_link_laid_in_the_way_is_not_followed(target):
    victim = target.with_name("victim")
    victim.write_bytes(b"precious")
    target.with_name(".node.key.new").symlink_to(victim)

    write_atomically(target, b"new", 0o600)

    assert victim.read_bytes() == b"precious"
    assert not target.is_symlink()


def test_parents_of_a_private_folder_are_made(tmp_path):
    folder = tmp_path / "certs" / "demo"

    make_private_folder(folder)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert Path(folder.parent).is_dir()
