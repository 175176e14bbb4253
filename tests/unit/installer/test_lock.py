import subprocess
import sys

import pytest

from installer.errors import Refused
from installer.lock import hold_lock

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
