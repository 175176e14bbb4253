"""The commands of the bundle, as an operator types them."""

import pytest
from click.testing import CliRunner

from installer.bundle.model import Bundle, BundledFile
from installer.bundle.verify import Check
from installer.cli import bundle as commands
from installer.cli import run
from installer.cli.bundle import bundle
from installer.errors import Problem
from tests.support.bundles import lock_of, locked_package


@pytest.fixture
def built(tmp_path, monkeypatch):
    """A bundle of one file, as `build` would find it in the cache."""
    (tmp_path / "cached").mkdir()
    (tmp_path / "cached/setup").write_text("#!/bin/sh\n")
    file = BundledFile(path="setup", sha256="0", size=10, roles=("queue",))
    found = Bundle(path=tmp_path / "cached", lock=lock_of([locked_package("a")]), files=(file,))
    asked = []
    monkeypatch.setattr(commands, "build_bundle", lambda *words: asked.append(words) or found)
    monkeypatch.setattr(commands, "refresh_lock", lambda *words: asked.append(words) or found.lock)
    monkeypatch.setattr(commands, "load_bundle", lambda path: found)
    return asked


def test_build_prints_the_directory_alone_on_stdout(built, tmp_path):
    """So that a script may write `bundle=$(cfy_manager bundle build)`."""
    done = CliRunner().invoke(bundle, ["build", "--release", "bookworm"])

    assert done.stdout == f"{tmp_path}/cached\n"
    assert "queue" in done.stderr
    assert built[0][0] == "bookworm"


def test_build_can_leave_packages_out(built):
    CliRunner().invoke(bundle, ["build", "--wheels-only"])

    assert built[0][1].with_packages is False


def test_a_copy_is_carried_away_whole(built, tmp_path):
    done = CliRunner().invoke(bundle, ["build", "--output", str(tmp_path / "usb")])

    assert done.stdout == f"{tmp_path}/usb\n"
    assert (tmp_path / "usb/setup").read_text() == "#!/bin/sh\n"
    assert not list(tmp_path.glob(".usb*"))


def test_a_copy_replaces_nothing(built, tmp_path, capsys):
    code = run(["bundle", "build", "--output", str(tmp_path)])

    assert code == 3
    assert "does not exist yet" in capsys.readouterr().err


def test_lock_tells_what_comes_next(built):
    done = CliRunner().invoke(bundle, ["lock"])

    assert "1 packages and 0 wheels are locked" in done.stdout
    assert "bundle build --release trixie" in done.stdout


def test_a_bundle_that_is_not_whole_ends_with_code_4(built, tmp_path, monkeypatch, capsys):
    lost = Problem(where="apt/Packages", what="the file is missing", remedy="build again")
    checks = (Check(name="files", detail="1 file", problems=(lost,)),)
    monkeypatch.setattr(commands, "verify_bundle", lambda found: iter(checks))

    code = run(["bundle", "verify", str(tmp_path)])

    assert code == 4
    assert "the file is missing" in capsys.readouterr().err


def test_what_is_no_bundle_ends_with_code_3(tmp_path, capsys):
    code = run(["bundle", "verify", str(tmp_path)])

    assert code == 3
    assert "manifest.json" in capsys.readouterr().err
