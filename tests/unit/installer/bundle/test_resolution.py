"""A lock is made once for the same wishes, and anew only where wishes are new."""

import pytest

from installer.bundle import resolution
from installer.bundle.build import BuildOptions, build_bundle, refresh_lock
from installer.bundle.cache import Cache
from installer.bundle.catalogue import ENVIRONMENTS, RELEASES
from installer.bundle.lock import load_lock
from installer.bundle.resolution import Target, current_lock, lock_path, make_lock, merge_wheels
from installer.errors import ConfigError
from tests.support.bundles import locked_package, locked_wheel, write_wheel

TRIXIE = Target(release=RELEASES["trixie"], architecture="amd64")


def silent(text: str) -> None:
    """Take what would be shown to the operator."""


@pytest.fixture
def asked(monkeypatch):
    """Replace the sources by empty ones that note what they were asked for."""
    asked: list[str] = []
    wishes = {"installer": ["click"], "manager": ["flask"]}

    class Apt:
        def __init__(self, *arguments):
            asked.append("packages")

        def prefer(self, codename):
            pass

        def update(self):
            pass

    def resolve(requirements, release, architecture):
        asked.append(" ".join(requirements))
        return ""

    def download(pinned, release, architecture, folder):
        folder.mkdir()
        write_wheel(folder, asked[-1], {})
        return {}

    package, python = locked_package("patroni", "database"), locked_package("python3.13-minimal")
    monkeypatch.setattr(resolution, "AptRoot", Apt)
    monkeypatch.setattr(resolution, "debian_sources", lambda codename: "")
    monkeypatch.setattr(resolution, "base_stanzas", lambda apt, release: ())
    monkeypatch.setattr(resolution, "locked_packages", lambda *arguments: (package,))
    monkeypatch.setattr(resolution, "interpreter_packages", lambda *arguments: (python,))
    monkeypatch.setattr(resolution, "resolve", resolve)
    monkeypatch.setattr(resolution, "download", download)
    monkeypatch.setattr(resolution, "requirements_of", lambda folder, e: wishes[e.name])
    return asked


@pytest.fixture
def cache(tmp_path):
    found = Cache(tmp_path / "cache")
    with found.alone():
        pass
    return found


def test_the_same_wishes_are_resolved_once(asked, cache):
    first = current_lock(TRIXIE, cache, silent)

    assert current_lock(TRIXIE, cache, silent) == first
    assert asked == ["packages", "click", "flask"]


def test_a_new_requirement_leaves_all_other_versions_as_they_are(asked, cache, monkeypatch):
    first = current_lock(TRIXIE, cache, silent)
    wishes = {"installer": ["click"], "manager": ["django"]}
    monkeypatch.setattr(resolution, "requirements_of", lambda folder, e: wishes[e.name])

    second = current_lock(TRIXIE, cache, silent)

    assert asked == ["packages", "click", "flask", "django"]
    assert second.packages == first.packages
    assert [wheel.name for wheel in second.wheels] == ["click", "django"]


def test_a_lock_made_anew_asks_every_source(asked, cache):
    current_lock(TRIXIE, cache, silent)
    make_lock(TRIXIE, cache, silent)

    assert asked == ["packages", "click", "flask"] * 2


def test_releases_have_locks_of_their_own(asked, cache):
    bookworm = Target(release=RELEASES["bookworm"], architecture="amd64")
    current_lock(TRIXIE, cache, silent)

    assert current_lock(bookworm, cache, silent).release == "bookworm"
    assert lock_path(bookworm, cache) != lock_path(TRIXIE, cache)


def test_without_packages_no_package_source_is_asked(asked, cache):
    lock = refresh_lock("trixie", BuildOptions(with_packages=False, cache=cache))

    assert asked == ["click", "flask"]
    assert lock.packages == ()
    assert load_lock(next(cache.locks.iterdir())) == lock


def test_a_wheel_of_two_environments_is_one_wheel(tmp_path):
    wheel = locked_wheel(write_wheel(tmp_path, "both", {}), "installer")

    (merged,) = merge_wheels((environment, [wheel]) for environment in ENVIRONMENTS)

    assert merged.environments == ("installer", "manager")


def test_an_unknown_release_is_refused_before_anything_is_asked(asked, cache):
    with pytest.raises(ConfigError):
        build_bundle("buster", BuildOptions(cache=cache))

    assert asked == []
