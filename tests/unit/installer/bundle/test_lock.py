"""The lock file says everything, and nothing else is taken for one."""

import json

import pytest

from installer.bundle.lock import dump_lock, load_lock
from installer.errors import ConfigError
from tests.support.bundles import control, lock_of, locked_package, locked_wheel, write_wheel


@pytest.fixture
def lock(tmp_path):
    wheel = write_wheel(tmp_path, "demo", {"demo.py": ""})
    return lock_of(
        packages=[locked_package("etcd-server", "database", depends="libc6 (>= 2.34)")],
        wheels=[locked_wheel(wheel, "installer", "manager")],
        base=[control("libc6", "2.41")],
    )


def test_a_lock_survives_its_file(lock, tmp_path):
    (tmp_path / "lock.json").write_text(dump_lock(lock))

    assert load_lock(tmp_path / "lock.json") == lock


def test_the_digest_follows_every_hash(lock, tmp_path):
    document = json.loads(dump_lock(lock))
    document["wheels"][0]["sha256"] = "0" * 64
    (tmp_path / "lock.json").write_text(json.dumps(document))

    assert load_lock(tmp_path / "lock.json").digest() != lock.digest()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 99}', '{"format": 1, "release": "trixie"}', "\x00"],
)
def test_what_is_no_lock_is_refused_with_its_place(text, tmp_path):
    (tmp_path / "lock.json").write_text(text)

    with pytest.raises(ConfigError) as caught:
        load_lock(tmp_path / "lock.json")

    (problem,) = caught.value.problems
    assert problem.where == str(tmp_path / "lock.json")
    assert "bundle lock" in problem.remedy


def test_a_role_gets_its_packages_only(lock):
    assert [p.name for p in lock.packages_for("database")] == ["etcd-server"]
    assert lock.packages_for("queue") == ()
