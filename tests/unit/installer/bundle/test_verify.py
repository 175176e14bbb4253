"""A bundle is whole when each role and each environment can be installed from it alone."""

import shutil
from dataclasses import replace

import pytest

from installer.bundle import verify as module
from installer.bundle.catalogue import RELEASES
from installer.bundle.model import Bundle, BundledFile
from installer.bundle.repository import packages_index, release_file
from installer.bundle.verify import verify_bundle
from installer.errors import PreflightError, Problem
from tests.support.bundles import control, lock_of, locked_package

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs Debian's apt")


@pytest.fixture(autouse=True)
def _small_world(monkeypatch):
    """Two roles of one package each; uv finds all wheels."""
    roles = {"database": ("server",), "queue": ("broker",)}
    small = replace(RELEASES["trixie"], roles=roles)
    monkeypatch.setattr(module, "release_named", lambda codename: small)
    monkeypatch.setattr(module, "run_uv", lambda words, text: "")


def bundle_of(folder, *packages) -> Bundle:
    index = packages_index(packages)
    (folder / "apt").mkdir()
    (folder / "apt/Packages").write_text(index)
    (folder / "apt/Release").write_text(release_file(index, "trixie"))
    return Bundle(path=folder, lock=lock_of(packages, base=[control("base")]), files=())


def problems(bundle: Bundle) -> list[str]:
    return [str(p) for check in verify_bundle(bundle) for p in check.problems]


def test_a_bundle_with_everything_passes(tmp_path):
    bundle = bundle_of(
        tmp_path,
        locked_package("server", "database", depends="base, client"),
        locked_package("client", "database"),
        locked_package("broker", "queue", depends="base"),
    )

    checks = list(verify_bundle(bundle))

    assert [check.name for check in checks if check.problems] == []
    assert "packages of queue" in [check.name for check in checks]


def test_a_dependency_that_is_nowhere_is_found(tmp_path):
    bundle = bundle_of(
        tmp_path,
        locked_package("server", "database", depends="client"),
        locked_package("broker", "queue"),
    )

    found = problems(bundle)

    assert any("packages of database" in p or "client" in p for p in found)
    assert not any(p.startswith("packages of queue:") for p in found)


def test_a_dependency_that_only_another_roles_nodes_get_is_found(tmp_path):
    """apt on the node would see it in the index and fail to open its archive."""
    bundle = bundle_of(
        tmp_path,
        locked_package("server", "database", depends="client"),
        locked_package("client", "queue"),
        locked_package("broker", "queue"),
    )

    found = problems(bundle)

    assert any("packages of database" in p and "client" in p for p in found)


def test_wheels_that_do_not_resolve_are_found(tmp_path, monkeypatch):
    def run_uv(words, text):
        raise PreflightError(Problem(where="uv pip", what="flask was not found", remedy="build"))

    monkeypatch.setattr(module, "run_uv", run_uv)
    bundle = Bundle(path=tmp_path, lock=lock_of(), files=())

    assert any("flask was not found" in p for p in problems(bundle))


def test_nothing_else_is_looked_at_once_files_are_spoilt(tmp_path):
    lost = BundledFile(path="lost", sha256="0", size=1, roles=())

    (check,) = verify_bundle(Bundle(path=tmp_path, lock=lock_of(), files=(lost,)))

    assert check.problems[0].where == str(tmp_path / "lost")
