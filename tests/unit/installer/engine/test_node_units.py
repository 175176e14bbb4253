"""Units whose state changes while they are changed."""

import pytest

from installer.engine.node import units
from installer.engine.node.base import Failure


@pytest.fixture
def systemd(monkeypatch):
    """Return what lets a reload fail in a state, and the list of what was asked."""
    asked = []

    def fails(state):
        def run(words, timeout_s, variables=None):
            asked.append(" ".join(words[1:]))
            if words[1] == "show":
                return {"code": 0, "stdout": f"ActiveState={state}\n", "stderr": ""}
            code = int(words[1] == "reload")
            return {"code": code, "stdout": "", "stderr": "Job for patroni.service failed."}

        monkeypatch.setattr(units, "run_command", run)
        monkeypatch.setattr(units, "checked", lambda words, **_: run(words, 1)["stdout"])
        monkeypatch.setattr(units, "settle", lambda _: None)
        return asked

    return fails


@pytest.mark.parametrize("state", ["activating", "failed", "inactive"])
def test_a_service_that_ended_before_its_reload_starts_with_the_new_files(systemd, state):
    """Patroni gives up when nobody accepts etcd's certificates, and is started again."""
    asked = systemd(state)

    units._reload("patroni.service")

    assert asked[-1] == "restart --no-block patroni.service"


def test_a_service_that_refuses_its_new_files_is_told(systemd):
    systemd("active")

    with pytest.raises(Failure, match="failed"):
        units._reload("nginx.service")
