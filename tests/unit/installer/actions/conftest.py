"""A node that lives in a temporary folder, and whose engine only takes notes."""

from dataclasses import dataclass, field

import pytest

from installer.actions import installed, node, remove, reporter
from installer.engine.observation import NodeFacts, Observation
from installer.engine.outcome import Applied, GateResult
from installer.engine.removal import Removal
from installer.state import Stage


@dataclass
class NotingSession:
    """A session of a bare node; what it is asked to do stands in its fields."""

    applied: list[Stage] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    gate: GateResult = field(default_factory=lambda: GateResult(gate="g", passed=True))

    def observe(self, stages):
        return Observation(stages=tuple(stages), facts=NodeFacts(memory_bytes=4 << 30))

    def apply(self, stage, _):
        self.applied.append(stage)
        return Applied(stage=stage.name, changes=(f"apply {stage.name}",))

    def await_gate(self, gate):
        return self.gate

    def remove(self, removal):
        self.removals.append(removal)
        return ("stop and disable x.service",)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder of this node's state; nothing is installed yet."""
    for module in (installed, node, remove, reporter):
        monkeypatch.setattr(module, "STATE", tmp_path)
    monkeypatch.setattr(remove, "LOGS", tmp_path / "log")
    monkeypatch.setattr(reporter, "CONFIG_PATH", tmp_path / "reporter.yaml")
    return tmp_path


@pytest.fixture
def session(monkeypatch):
    noting = NotingSession()
    for module in (remove, reporter):
        monkeypatch.setattr(module, "on_this_node", lambda act: act(noting))
    return noting
