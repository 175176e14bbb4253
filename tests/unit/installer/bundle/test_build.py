"""A bundle is laid out from the cache alone, whole or not at all."""

import hashlib
import json
from pathlib import Path

import pytest

from installer.bundle import build as building
from installer.bundle.build import BuildOptions, build_bundle, find_bundle
from installer.bundle.cache import Cache
from installer.bundle.control import parse_stanzas
from installer.bundle.lock import dump_lock, load_lock
from installer.bundle.model import load_bundle
from installer.bundle.verify import verify_bundle
from installer.errors import ConfigError, PreflightError
from tests.support.bundles import control, fill, lock_of, locked_package, locked_wheel, write_wheel

PACKAGES = (
    locked_package("patroni", "database", depends="python3"),
    locked_package("rabbitmq-server", "queue"),
    locked_package("libshared", "database", "queue"),
)


@pytest.fixture
def options(tmp_path, monkeypatch):
    """A cache with everything in it, and a wheel of the project that takes no time to build."""
    wheels = [
        write_wheel(tmp_path, name, {f"{name}.py": f"'''{name}'''\n"})
        for name in ("both", "toolkit", "runtime")
    ]
    users = (("installer", "manager"), ("installer",), ("manager",))
    lock = lock_of(
        packages=PACKAGES,
        wheels=[locked_wheel(w, *names) for w, names in zip(wheels, users, strict=True)],
        base=[control("python3")],
    )
    (tmp_path / "lock.json").write_text(dump_lock(lock))
    cache = Cache(tmp_path / "cache")
    fill(cache, PACKAGES, wheels)
    monkeypatch.setattr(building, "build_wheel", project_wheel)
    return BuildOptions(lock_file=tmp_path / "lock.json", cache=cache)


def project_wheel(source: Path, target: Path) -> Path:
    target.mkdir()
    return write_wheel(target, "cfy_manager", {"installer/__init__.py": ""}, version="0.1.0")


def test_the_repository_lists_every_package_with_its_hash(options):
    bundle = build_bundle("trixie", options)

    index = (bundle.path / "apt/Packages").read_text()
    release = (bundle.path / "apt/Release").read_text()

    for stanza in parse_stanzas(index):
        archive = bundle.path / "apt" / stanza["Filename"]
        assert hashlib.sha256(archive.read_bytes()).hexdigest() == stanza["SHA256"]
        assert archive.stat().st_size == int(stanza["Size"])
    assert hashlib.sha256(index.encode()).hexdigest() in release


def test_a_node_gets_what_its_roles_need_only(options):
    bundle = build_bundle("trixie", options)

    database, manager = (set(bundle.files_for([role])) for role in ("database", "manager"))

    assert "apt/pool/patroni_1.0_all.deb" in database
    assert "apt/pool/libshared_1.0_all.deb" in database
    assert "apt/pool/rabbitmq-server_1.0_all.deb" not in database
    assert "environments/installer.tar" in database & manager
    assert "environments/manager.tar" in manager - database


def test_wheels_stay_on_the_controller(options):
    bundle = build_bundle("trixie", options)

    assert (bundle.path / "wheels/toolkit-1.0-py3-none-any.whl").is_file()
    assert not [name for name in bundle.files_for(["manager"]) if name.startswith("wheels/")]


def test_a_node_can_read_its_part_of_the_bundle(options, tmp_path):
    bundle = build_bundle("trixie", options)
    for name in bundle.files_for(["queue"]):
        (tmp_path / "node" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "node" / name).write_bytes((bundle.path / name).read_bytes())

    there = load_bundle(tmp_path / "node")

    assert there.lock == bundle.lock
    assert there.files == bundle.files


def test_a_second_build_is_the_first_one(options, monkeypatch):
    first = build_bundle("trixie", options)
    monkeypatch.setattr(building, "_lay_out", None)

    assert build_bundle("trixie", options) == first


def test_the_bundle_built_last_is_found_without_building(options, monkeypatch):
    built = build_bundle("trixie", options)
    monkeypatch.setattr(building, "fetch_archives", None)

    assert find_bundle("trixie", options) == built


@pytest.mark.parametrize("source", ["another source", None], ids=["other source", "never built"])
def test_a_bundle_that_is_not_built_is_named_with_the_command_to_build_it(
    options, source, monkeypatch
):
    if source is not None:
        build_bundle("trixie", options)
        monkeypatch.setattr(building, "source_digest", lambda folder: source)

    with pytest.raises(PreflightError) as caught:
        find_bundle("trixie", options)

    assert "bundle build --release trixie" in caught.value.problems[0].remedy


def test_new_source_makes_a_new_bundle_from_the_same_archives(options, monkeypatch):
    first = build_bundle("trixie", options)
    monkeypatch.setattr(building, "source_digest", lambda folder: "another source")

    second = build_bundle("trixie", options)

    assert second.path != first.path
    for name in ("environments/installer.tar", "apt/pool/patroni_1.0_all.deb"):
        assert (second.path / name).stat().st_ino == (first.path / name).stat().st_ino


def test_an_interrupted_build_leaves_no_bundle(options, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(building, "dump_manifest", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_bundle("trixie", options)

    assert list(options.cache.bundles.iterdir()) == []


def test_a_bundle_without_packages_holds_our_code_only(options, tmp_path):
    lock = load_lock(options.lock_file)
    options.lock_file.write_text(dump_lock(lock_of(wheels=lock.wheels)))

    bundle = build_bundle("trixie", options)

    assert not bundle.has_packages
    assert not (bundle.path / "apt").exists()
    assert "environments/installer.tar" in bundle.files_for(["database"])


def test_another_index_of_the_same_name_is_refused(options, tmp_path, monkeypatch):
    """A lock names hashes; what the index sends now must be that, or there is no bundle."""
    other = write_wheel(tmp_path, "toolkit", {"toolkit.py": "other"})
    lock = load_lock(options.lock_file)
    changed = tuple(
        locked_wheel(other, "installer") if w.name == "toolkit" else w for w in lock.wheels
    )
    options.lock_file.write_text(dump_lock(lock_of(wheels=changed)))
    monkeypatch.setattr("installer.bundle.fetch.download", lambda *arguments: None)

    with pytest.raises(PreflightError) as caught:
        build_bundle("trixie", options)

    assert caught.value.problems[0].where == other.name
    assert list(options.cache.bundles.iterdir()) == []


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: (path.unlink(), path.write_bytes(b"patronj")), "another"),
    ],
)
def test_verify_names_each_spoilt_file(options, spoil, what):
    bundle = build_bundle("trixie", options)
    spoil(bundle.path / "apt/pool/patroni_1.0_all.deb")

    (check,) = verify_bundle(bundle)

    (problem,) = check.problems
    assert problem.where.endswith("apt/pool/patroni_1.0_all.deb")
    assert what in problem.what


@pytest.mark.parametrize("text", [None, "", "{}", '{"files": [{}]}', json.dumps({"files": 1})])
def test_what_is_no_bundle_is_refused(options, text, tmp_path):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)

    with pytest.raises(ConfigError) as caught:
        load_bundle(tmp_path)

    assert "manifest.json" in caught.value.problems[0].where


def test_an_unknown_release_is_refused_with_those_that_are_known(options):
    with pytest.raises(ConfigError) as caught:
        build_bundle("buster", BuildOptions(cache=options.cache))

    assert "trixie, bookworm" in caught.value.problems[0].remedy
