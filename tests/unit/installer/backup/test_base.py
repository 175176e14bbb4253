"""How the programs on a node call their tools."""

import subprocess
import sys
import threading

import pytest

from installer.backup.node.base import Failure, alone, run

_HOLD = """
import time
from installer.backup.node.base import alone
with alone({path!r}, end_other=False):
    print("held", flush=True)
    time.sleep({seconds})
"""


_PARENT = """
import subprocess
from installer.backup.node.base import alone
with alone({path!r}, end_other=False):
    subprocess.run(["sh", "-c", {slow!r}])
"""


def holder(path, seconds):
    """Return a program that holds the lock."""
    return started(_HOLD.format(path=str(path), seconds=seconds))


def started(program):
    """Return a program that has told that it holds the lock; a thread reaps it, as a shell does."""
    words = [sys.executable, "-c", program]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    threading.Thread(target=process.wait, daemon=True).start()
    return process


def test_words_that_are_no_text_are_told_all_the_same():
    """pgBackRest quotes what it cannot read: another password makes noise of the repository."""
    with pytest.raises(Failure, match="CryptoError"):
        run(["sh", "-c", "printf 'CryptoError \\263\\377' >&2; exit 95"])


def test_what_a_killed_run_left_is_ended(tmp_path):
    """Two restores into one folder would mix their files."""
    with holder(tmp_path / "lock", 600) as left, alone(str(tmp_path / "lock"), end_other=True):
        assert left.wait(10) == -15


def test_what_it_had_started_has_ended_too(tmp_path):
    """A pgBackRest that is still writing would fill a folder that is being removed."""
    lock, ended = tmp_path / "lock", tmp_path / "ended"
    slow = f"trap 'sleep 1; touch {ended}; exit' TERM; echo held; while :; do sleep 0.1; done"
    with started(_PARENT.format(path=str(lock), slow=slow)), alone(str(lock), end_other=True):
        assert ended.exists()


def test_a_backup_that_a_timer_takes_is_awaited(tmp_path):
    with holder(tmp_path / "lock", 0.5) as timers, alone(str(tmp_path / "lock"), end_other=False):
        assert timers.wait(10) == 0
