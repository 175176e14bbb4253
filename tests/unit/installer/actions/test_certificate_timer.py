"""The timer of this machine: which units it writes, what it asks of systemd, how it goes away."""

import shlex
import shutil
from pathlib import Path

import pytest

from installer.actions.certificate_timer import disable_timer, enable_timer
from installer.actions.certificate_watch import WatchRequest
from installer.actions.timers import Systemd
from installer.errors import PhaseFailed, PreflightError

EXAMPLE = Path(__file__).parents[4] / "inventories" / "three-nodes.yaml"
NAME = "cfy_manager-certificates-three-nodes"


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "100% mine"
    folder.mkdir()
    return Path(shutil.copy(EXAMPLE, folder))


@pytest.fixture
def systemd(tmp_path):
    """A systemd that notes what it was asked for, in the file `asked`."""
    program = tmp_path / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$*" >> {shlex.quote(str(tmp_path / "asked"))}\n')
    program.chmod(0o755)
    return Systemd(folder=tmp_path / "units", control=(str(program),), booted=tmp_path)


def asked(tmp_path: Path) -> list[str]:
    return (tmp_path / "asked").read_text().splitlines()


def test_systemd_looks_every_day(path, systemd, tmp_path):
    name = enable_timer(path, WatchRequest(days=45), systemd)

    timer = (systemd.folder / name).read_text()
    assert name == f"{NAME}.timer"
    assert "OnCalendar=daily" in timer
    assert "Persistent=true" in timer
    assert asked(tmp_path) == ["daemon-reload", f"enable --now {name}"]


@pytest.mark.parametrize("renew", [False, True])
def test_renewing_is_a_consent_that_the_unit_shows(path, systemd, renew):
    enable_timer(path, WatchRequest(days=45, renew=renew), systemd)

    (line,) = [
        line.removeprefix("ExecStart=")
        for line in (systemd.folder / f"{NAME}.service").read_text().splitlines()
        if line.startswith("ExecStart=")
    ]
    words = [word.replace("%%", "%") for word in shlex.split(line)]
    assert words[1:6] == ["-m", "installer", "certificates", "timer", "run"]
    assert words[6:10] == ["-i", str(path), "--days", "45"]
    assert words[10:] == (["--renew"] if renew else [])
    assert "100%% mine" in line  # systemd reads a single % as a name of its own


def test_it_goes_away_without_a_trace(path, systemd, tmp_path):
    name = enable_timer(path, WatchRequest(), systemd)

    disable_timer(path, systemd)
    disable_timer(path, systemd)

    assert list(systemd.folder.iterdir()) == []
    assert asked(tmp_path).count(f"disable --now {name}") == 1


def test_what_systemd_refuses_is_told(path, systemd):
    Path(systemd.control[0]).write_text("#!/bin/sh\necho no bus >&2\nexit 1\n")

    with pytest.raises(PhaseFailed, match="daemon-reload` failed: no bus"):
        enable_timer(path, WatchRequest(), systemd)


@pytest.mark.parametrize(
    ("program", "booted"), [("no-such-systemctl", "."), ("true", "not-booted-by-systemd")]
)
def test_a_machine_without_systemd_is_told_what_else_could_look(path, tmp_path, program, booted):
    """A container may have the program, and nobody who answers it."""
    units = tmp_path / "units"
    systemd = Systemd(folder=units, control=(program,), booted=tmp_path / booted)

    with pytest.raises(PreflightError, match="certificates timer run"):
        enable_timer(path, WatchRequest(), systemd)

    assert not units.exists()
