"""Services start in the order in which they need each other, and stop in the other."""

import re
from dataclasses import dataclass, field

import pytest

from installer.actions import node_services
from installer.actions.installed import Installed
from installer.actions.node_services import ServiceVerb, control_services
from installer.engine.observation import NodeFacts, Observation
from installer.engine.outcome import Diagnosis, GateResult, Result
from installer.errors import ConfigError, PhaseFailed, Problem
from installer.state import Gate, NodeState, Stage, Unit, UnitTarget


def stage(*units, gate=None):
    return Stage(name="s", state=NodeState(units=units), gate=gate and Gate(name=gate, check=""))


ROLES = {
    "database": (
        stage(Unit(name="postgresql", target=UnitTarget.MASKED)),
        stage(Unit(name="etcd"), gate="etcd has quorum"),
        stage(Unit(name="patroni"), gate="a leader runs"),
    ),
    "queue": (stage(Unit(name="rabbitmq")),),
    "reporter": (stage(Unit(name="reporter")),),
}


@dataclass
class Host:
    """Units that run, and all that was asked of them in its order."""

    name: str = "this node"
    running: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    problem: Problem | None = None
    code: int = 0

    def observe(self, _stages):
        return Observation(stages=(), facts=NodeFacts())

    def run(self, script, timeout_s):
        verb, unit = re.search(r"systemctl (start --no-block|stop) (\S+?);", script).groups()
        verb = verb.split()[0]
        if (unit in self.running) == (verb == "start"):
            return Result(0, "", "")
        self.asked.append(f"{verb} {unit}")
        (self.running.add if verb == "start" else self.running.discard)(unit)
        return Result(self.code, "done", "systemd's words")

    def await_gate(self, gate, *, alone):
        self.asked.append(f"wait: {gate.name}")
        return GateResult(gate=gate.name, passed=self.problem is None, problem=self.problem)

    def diagnose(self, stage, *, since_s, said):
        self.asked.append("look for the cause")
        return Diagnosis(matches=(), failing=("etcd",), journal={"etcd": "no room on the disk"})


@pytest.fixture
def host(monkeypatch, tmp_path):
    host = Host()
    installed = Installed({}, ("database_service", "queue_service"))
    monkeypatch.setattr(node_services, "STATE", tmp_path)
    monkeypatch.setattr(node_services, "LOGS", tmp_path / "log")
    monkeypatch.setattr(node_services, "this_node", lambda *_, **__: installed)
    monkeypatch.setattr(node_services, "node_inputs", lambda _: None)
    monkeypatch.setattr(node_services, "role_stages", lambda *_: ROLES)
    monkeypatch.setattr(node_services, "on_this_node", lambda act: act(host))
    return host


def test_a_stage_starts_once_the_one_before_answers(host):
    control_services(ServiceVerb.START)

    assert host.asked == [
        "start etcd",
        "wait: etcd has quorum",
        "start patroni",
        "wait: a leader runs",
        "start rabbitmq",
        "start reporter",
    ]


def test_the_last_that_was_started_stops_first(host):
    host.running = {"etcd", "patroni", "reporter"}

    lines = control_services(ServiceVerb.STOP)

    assert host.asked == ["stop reporter", "stop patroni", "stop etcd"]
    assert "rabbitmq did not run" in lines


def test_what_runs_already_is_not_started_but_must_answer(host):
    host.running = {"etcd", "patroni", "rabbitmq", "reporter"}

    assert "etcd runs already" in control_services(ServiceVerb.START)

    assert host.asked == ["wait: etcd has quorum", "wait: a leader runs"]


def test_a_restart_of_one_service_leaves_the_others(host):
    host.running = {"etcd", "rabbitmq"}

    control_services(ServiceVerb.RESTART, ["queue_service"])

    assert host.asked == ["stop rabbitmq", "start rabbitmq"]


def test_a_service_that_does_not_answer_ends_it(host):
    host.problem = Problem(where="this node", what="no leader", remedy="look")

    with pytest.raises(PhaseFailed, match=r"no leader(.|\n)*no room on the disk"):
        control_services(ServiceVerb.START)

    assert host.asked == ["start etcd", "wait: etcd has quorum", "look for the cause"]


def test_a_unit_that_does_not_stop_is_told_with_systemds_words(host):
    host.running, host.code = {"etcd"}, 1

    with pytest.raises(PhaseFailed, match="systemd's words"):
        control_services(ServiceVerb.STOP)


def test_a_service_of_another_node_is_refused(host):
    with pytest.raises(ConfigError, match="not installed here"):
        control_services(ServiceVerb.STOP, ["loadbalancer_service"])

    assert host.asked == []
