import os
import subprocess

import pytest

from installer.roles.manager import departure
from installer.roles.manager.departure import forget_entries


@pytest.mark.parametrize(
    ("says", "code", "ended"),
    [
        ("", 0, 0),
        ("Requested `Manager` with ID `m-2` was not found", 1, 0),
        ("the database does not answer", 1, 1),
    ],
    ids=["forgotten", "not there", "no database"],
)
def test_what_is_not_there_counts_as_forgotten(monkeypatch, tmp_path, says, code, ended):
    runtime = tmp_path / "runtime"
    runtime.write_text(f"#!/bin/sh\necho \"$@\" >> {tmp_path}/asked\necho '{says}'\nexit {code}\n")
    runtime.chmod(0o755)
    monkeypatch.setattr(departure, "RUNTIME", str(runtime))
    monkeypatch.setattr(departure, "_PATIENCE_S", 1)

    script = forget_entries("m-2", ["database", "queue", "manager", "loadbalancer"])
    done = subprocess.run(
        ["sh", "-eu"], input=script, text=True, capture_output=True, env={**os.environ}
    )

    assert done.returncode == ended, done.stderr
    asked = (tmp_path / "asked").read_text().splitlines()
    kinds = ("db", "broker", "manager") if not ended else ("db",)
    assert asked == [f"forget {kind} m-2" for kind in kinds]
