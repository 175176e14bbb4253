import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from installer.engine.target import Target
from installer.engine.transfer import Shipment, send_tree
from installer.errors import PhaseFailed

BYTES = 32 << 20  # more than a pipe holds: tar is at it for a while


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "bundle" / "archive.deb"
    path.parent.mkdir()
    path.write_bytes(bytes(BYTES))
    return path


def send(archive: Path) -> Path:
    """Send the archive to this machine, and return where it arrived."""
    place = archive.parents[1] / "there"
    shipment = Shipment(source=archive.parent, names=[archive.name], destination=str(place))
    send_tree(Target("here"), shipment)
    return place / archive.name


@contextmanager
def meanwhile(disturb: Callable[[], None]) -> Iterator[None]:
    """Disturb again and again while the block runs."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.is_set():
            disturb()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_file_arrives_while_other_bundles_link_it(archive):
    other = archive.with_name("other")

    def link() -> None:
        os.link(archive, other)
        other.unlink()

    with meanwhile(link):
        arrived = send(archive)

    assert arrived.stat().st_size == BYTES


def test_a_file_that_is_written_meanwhile_is_told(archive):
    def write() -> None:
        with archive.open("ab") as opened:
            opened.write(b"more")

    with meanwhile(write), pytest.raises(PhaseFailed, match=r"archive\.deb"):
        send(archive)
