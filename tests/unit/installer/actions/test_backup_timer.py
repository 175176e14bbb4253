"""The timer that completes the nightly backups: what it writes, and what it finds to do."""

import shlex
import shutil
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import yaml

from installer.actions.backup import missing_phases
from installer.actions.backup_timer import disable_timer, enable_timer
from installer.actions.timers import Systemd
from installer.errors import Refused
from tests.support.backups import a_set
from tests.support.cluster import ROOT

EXAMPLE = ROOT / "inventories" / "three-nodes.yaml"
NAME = "cfy_manager-backup-three-nodes"


@pytest.fixture
def systemd(tmp_path):
    """A systemd that takes everything."""
    return Systemd(folder=tmp_path / "units", control=("true",), booted=tmp_path)


def inventory(folder, **backup):
    document = yaml.safe_load(EXAMPLE.read_text())
    document["waive"].append("backup-directory-of-several")
    document["settings"] |= {"backup": backup} if backup else {}
    path = folder / "inventory.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_the_timer_comes_after_the_databases_own(systemd, tmp_path):
    path = inventory(tmp_path, repository="directory")

    name = enable_timer(path, "*-*-* 03:00:00 UTC", systemd)

    units = {file.name: file.read_text() for file in systemd.folder.iterdir()}
    assert name == f"{NAME}.timer"
    assert "OnCalendar=*-*-* 03:00:00 UTC\n" in units[name]
    (line,) = [x for x in units[f"{NAME}.service"].splitlines() if x.startswith("ExecStart=")]
    words = shlex.split(line.removeprefix("ExecStart="))
    assert words[1:] == ["-m", "installer", "cluster", "backup", "timer", "run", "-i", str(path)]
    assert disable_timer(path, systemd) == name
    assert list(systemd.folder.iterdir()) == []


def test_without_a_repository_there_is_nothing_to_do_every_night(systemd, tmp_path):
    path = shutil.copy(EXAMPLE, tmp_path)

    with pytest.raises(Refused):
        enable_timer(tmp_path / path, "daily", systemd)

    assert not systemd.folder.exists()


@pytest.mark.parametrize(
    ("sets", "first"),
    [
        ([a_set("1", "keys", finished=datetime.now(UTC))], "backup/queue"),
        ([a_set("1", "keys", "queue", finished=datetime.now(UTC))], "backup/files"),
        ([a_set("1", "keys", "queue", "files", finished=datetime.now(UTC))], "backup/expired"),
        ([a_set("1", finished=datetime.now(UTC) - timedelta(hours=24))], "backup/database"),
        ([], "backup/database"),
    ],
)
def test_only_what_the_newest_backup_lacks_is_taken(sets, first):
    roles = {"database": ("db-1",), "queue": ("mq-1",), "manager": ("m-1",)}
    nodes = SimpleNamespace(
        sets=lambda: tuple(sets),
        databases=lambda: ["db-1"],
        ask=None,
        inventory=SimpleNamespace(with_role=lambda role: roles[str(role)]),
    )
    make = SimpleNamespace(phase=lambda name, *_, needs=(): SimpleNamespace(name=name, needs=needs))

    phases = missing_phases(nodes, make, "db-1")

    assert phases[0].name == first
    assert phases[-1].name == "backup/expired"
    assert {need for phase in phases for need in phase.needs} <= {phase.name for phase in phases}
