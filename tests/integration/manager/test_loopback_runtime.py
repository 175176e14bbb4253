"""The manager on loopback that acceptance tests and benchmarks use."""

import os
from pathlib import Path

import pytest

from tests.support.processes import descendants
from tests.support.runtime import runtime_on_loopback

pytestmark = pytest.mark.integration


def test_a_manager_runs_on_loopback_and_leaves_nothing_behind():
    before = set(descendants(os.getpid()))
    with runtime_on_loopback() as runtime:
        home, database = runtime.home, runtime.database.home
        weights = runtime.weights()

        client = runtime.cfy()

        assert "default_tenant" in client.run("tenants", "list")
        client.close()
        assert {"rest", "nginx", "rabbitmq", "postgresql"} <= weights.keys()
        assert all(weight.pss_mib > 1 for weight in weights.values())
        assert weights["rest"].processes >= 3
        assert weights["rest"].cpu_s > 0
        assert runtime.web.requests() > 0

    assert not home.exists()
    assert not database.exists()
    assert set(descendants(os.getpid())) <= before
    assert not [pid for pid in Path("/proc").glob("[0-9]*") if str(home) in _command_line(pid)]


def _command_line(pid: Path) -> str:
    try:
        return (pid / "cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
