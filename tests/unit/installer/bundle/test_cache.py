"""The cache keeps archives by content, and nothing half."""

import os
import threading

import pytest

from installer.bundle.cache import Cache


@pytest.fixture
def cache(tmp_path):
    found = Cache(tmp_path / "cache")
    with found.alone():
        pass
    return found


def adopted(cache, content):
    with cache.workspace() as folder:
        (folder / "file").write_bytes(content)
        return cache.adopt(folder / "file")


def bundle_named(cache, name, sha256):
    with cache.workspace() as folder:
        (folder / "bundle").mkdir()
        cache.place(sha256, folder / "bundle" / "file")
        return cache.finish(folder / "bundle", name)


def test_an_archive_is_found_by_its_content(cache):
    digest = adopted(cache, b"content")

    assert cache.has(digest)
    assert cache.archive(digest).read_bytes() == b"content"


def test_bundles_share_an_archive_without_a_copy(cache):
    digest = adopted(cache, b"content")

    bundle = bundle_named(cache, "trixie-1", digest)

    assert (bundle / "file").stat().st_ino == cache.archive(digest).stat().st_ino


def test_what_was_made_is_remembered_by_its_inputs(cache):
    digest = adopted(cache, b"made")
    cache.remember("inputs", digest)

    assert cache.recall("inputs") == digest
    assert cache.recall("other inputs") is None


def test_what_is_no_longer_there_is_not_remembered(cache):
    digest = adopted(cache, b"made")
    cache.remember("inputs", digest)
    cache.archive(digest).unlink()

    assert cache.recall("inputs") is None


def test_a_killed_build_leaves_nothing(cache):
    leftover = cache.root / ".work-killed"
    (leftover / "bundle").mkdir(parents=True)

    with cache.alone():
        assert not leftover.exists()


def test_the_bundles_used_least_lately_go(cache):
    digest = adopted(cache, b"content")
    for number in range(10):
        bundle = bundle_named(cache, f"trixie-{number}", digest)
        os.utime(bundle, (number, number))

    names = {path.name for path in cache.bundles.iterdir()}

    assert "trixie-0" not in names
    assert "trixie-9" in names


def test_a_bundle_that_may_be_in_use_stays(cache):
    digest = adopted(cache, b"content")

    bundles = [bundle_named(cache, f"trixie-{number}", digest) for number in range(10)]

    assert all(bundle.exists() for bundle in bundles)


def test_an_archive_of_no_bundle_goes_after_a_while(cache, monkeypatch):
    orphan, kept = adopted(cache, b"orphan"), adopted(cache, b"kept")
    monkeypatch.setattr("installer.bundle.cache._ORPHANED_S", -1)

    bundle_named(cache, "trixie-1", kept)

    assert (cache.has(orphan), cache.has(kept)) == (False, True)


def test_a_fresh_archive_waits_for_its_bundle(cache):
    """A lock is made before its bundle; another release's build in between keeps its wheels."""
    fresh, kept = adopted(cache, b"fresh"), adopted(cache, b"kept")

    bundle_named(cache, "trixie-1", kept)

    assert cache.has(fresh)


def test_two_builds_take_turns(cache):
    entered = threading.Event()

    def other():
        with Cache(cache.root).alone():
            entered.set()

    with cache.alone():
        thread = threading.Thread(target=other)
        thread.start()
        assert not entered.wait(0.2)
    thread.join(5)

    assert entered.is_set()
