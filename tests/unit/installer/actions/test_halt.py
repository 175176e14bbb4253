"""The order in which a whole cluster stops and starts."""

import os
import subprocess

import pytest

from installer.actions import halt
from installer.actions.halt import start_turns, start_units, stop_turns, stop_units
from installer.engine.outcome import Diagnosis, GateResult, Result
from installer.errors import PhaseFailed, Problem, Refused
from installer.state import Gate, NodeState, Stage, Unit, UnitTarget
from installer.status.presence import Presence

GATE = Gate(name="g", check="true")


def stage(name, *units):
    return Stage(
        name=name, state=NodeState(units=tuple(Unit(name=unit) for unit in units)), gate=GATE
    )


MASKED = Stage(
    name="database/packages",
    state=NodeState(units=(Unit(name="postgresql.service", target=UnitTarget.MASKED),)),
)
DATABASE = (MASKED, stage("database/etcd", "etcd"), stage("database/patroni", "patroni"))
STAGES = {
    "db-1": {"database": DATABASE},
    "db-2": {"database": DATABASE},
    "queue-1": {"queue": (stage("queue/broker", "rabbitmq-server"),)},
    "manager-1": {"manager": (stage("manager/services", "nginx"),)},
    "lb-1": {"loadbalancer": (stage("loadbalancer/haproxy", "haproxy"),)},
}


def told(turns):
    return [(turn.phase, list(turn.stages)) for turn in turns]


def test_clients_stop_first_the_primary_after_its_replicas_and_etcd_last():
    assert told(stop_turns(STAGES, "db-1")) == [
        ("stop/loadbalancer/haproxy", ["lb-1"]),
        ("stop/manager/services", ["manager-1"]),
        ("stop/queue/broker", ["queue-1"]),
        ("stop/database/patroni", ["db-2"]),
        ("stop/database/patroni of the primary", ["db-1"]),
        ("stop/database/etcd", ["db-1", "db-2"]),
    ]


def test_each_role_starts_after_those_that_it_needs():
    assert told(start_turns(STAGES)) == [
        ("start/database/etcd", ["db-1", "db-2"]),
        ("start/database/patroni", ["db-1", "db-2"]),
        ("start/queue/broker", ["queue-1"]),
        ("start/manager/services", ["manager-1"]),
        ("start/loadbalancer/haproxy", ["lb-1"]),
    ]


class Silent:
    """A node whose service does not answer, and which knows why."""

    name = "db-1"

    def run(self, _script, timeout_s):
        return Result(0, "start etcd", "")

    def await_gate(self, gate):
        problem = Problem(where=self.name, what="no quorum", remedy="look")
        return GateResult(gate=gate.name, passed=False, problem=problem)

    def diagnose(self, _stage, *, since_s, said):
        return Diagnosis(journal={"etcd": "no room on the disk"}, failing=("etcd",))


def test_a_service_that_does_not_come_is_told_with_what_it_says():
    with pytest.raises(PhaseFailed, match=r"no quorum(.|\n)*etcd(.|\n)*no room on the disk"):
        start_units(Silent(), stage("database/etcd", "etcd"))


class Systemd:
    """A node whose units are in one state, as `systemctl` tells it."""

    name = "manager-1"

    def __init__(self, folder, state):
        tool = folder / "systemctl"
        code = 0 if state == "active" else 3
        tool.write_text(
            f'#!/bin/sh\n[ "$1" = is-active ] || exit 0\n'
            f'[ "$2" = --quiet ] || echo {state}\nexit {code}\n'
        )
        tool.chmod(0o755)
        self._path = f"{folder}:{os.environ['PATH']}"

    def run(self, script, timeout_s):
        done = subprocess.run(
            ["sh", "-eu", "-c", script],
            env={"PATH": self._path},
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        return Result(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("state", "stops"),
    [
        ("active", True),
        ("reloading", True),
        ("activating", True),
        ("deactivating", True),
        ("inactive", False),
        ("failed", False),
        ("unknown", False),
    ],
)
def test_what_is_about_to_start_stops_too(tmp_path, state, stops):
    """A worker that waits for its brokers would begin on a database that is being restored."""
    found = stop_units(Systemd(tmp_path, state), stage("manager/services", "worker"))

    assert found == (("stop worker",) if stops else ())


def test_a_cluster_whose_patroni_is_paused_is_not_stopped(monkeypatch):
    """PostgreSQL runs on without a paused Patroni: nothing on its disk would be at rest."""
    monkeypatch.setattr(halt, "look_around", lambda _: Presence(is_paused=True))

    with pytest.raises(Refused, match="patronictl resume"):
        halt._demand_may_stop(None)
