import fcntl
import os
import subprocess
import sys

import pytest

from installer.errors import Refused
from installer.lock import hold_lock, make_owned, orphans

HOLDER = """
import sys
from pathlib import Path
from installer.lock import hold_lock
with hold_lock(Path(sys.argv[1]), "cluster install"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_run_is_refused_and_told_who_holds_the_lock(tmp_path, held):
    with (
        pytest.raises(Refused, match=f"pid {held.pid}.*cluster install"),
        hold_lock(tmp_path / "lock", "x"),
    ):
        pass


def test_the_lock_of_a_killed_run_is_free(tmp_path, held):
    held.kill()
    held.wait()

    with hold_lock(tmp_path / "lock", "x"):
        pass


def test_the_lock_is_free_after_the_run(tmp_path):
    for _ in range(2):
        with hold_lock(tmp_path / "lock", "x"):
            pass


def test_a_file_is_an_orphan_once_its_maker_is_gone(tmp_path):
    path = tmp_path / "owned"
    descriptor = make_owned(path)
    assert list(orphans([path])) == []

    os.close(descriptor)

    assert list(orphans([path, tmp_path / "none"])) == [path]


def test_a_file_that_was_taken_for_an_orphan_before_it_was_locked_is_made_again(
    tmp_path, monkeypatch
):
    path, lock = tmp_path / "owned", fcntl.flock
    takers = [path.unlink]

    def late(descriptor, kind):
        for take in takers:
            takers.remove(take)
            take()
        lock(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", late)

    descriptor = make_owned(path)

    assert path.exists()
    os.close(descriptor)
