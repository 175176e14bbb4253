"""Brokers whose start met expired certificates begin it anew: they read their own once."""

import os
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from installer.actions.broker_starts import STEP, broker_phase
from installer.actions.rollout import Survey
from installer.errors import Problem
from installer.events import Outcome
from installer.roles.queue.state import CERTIFICATE

LOST = Problem(where="mq-2", what="it is away", remedy="look")


@dataclass
class Engine:
    """Runs a step on brokers, of which some wait and some cannot be reached."""

    waiting: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)

    def on_each(self, nodes, ask):
        return {node: self._outcome(node, ask) for node in nodes}

    def _outcome(self, node, ask):
        self.asked.append(node)
        if node in self.lost:
            return SimpleNamespace(value=None, error=LOST)
        step = SimpleNamespace(changed=node in self.waiting)
        return SimpleNamespace(value=ask(SimpleNamespace(run_step=lambda _: step)), error=None)


def run(engine):
    roles = {"mq-1": ("node", "queue"), "mq-2": ("queue",), "db-1": ("node", "database")}
    stages = {node: dict.fromkeys(names, ()) for node, names in roles.items()}
    return broker_phase(Survey(engine=engine, stages=stages, observations={})).work()


def test_brokers_that_start_yet_begin_anew():
    engine = Engine(waiting=("mq-2",))

    result = run(engine)

    assert engine.asked == ["mq-1", "mq-2"]
    assert result.outcome is Outcome.CHANGED
    assert result.changes == ("mq-2: Begin the broker's start anew",)


def test_brokers_that_run_are_left_alone():
    assert run(Engine()).outcome is Outcome.UNCHANGED


def test_a_broker_out_of_reach_is_told():
    result = run(Engine(lost=("mq-2",)))

    assert result.outcome is Outcome.FAILED
    assert result.problems == (LOST,)


@pytest.mark.parametrize(
    ("state", "began", "holds"),
    [
        ("active", "2026-01-01 00:00", True),
        ("failed", "2026-01-01 00:00", True),
        ("activating", "2026-01-01 00:00", False),
        ("activating", "2026-01-03 00:00", True),
    ],
    ids=["works", "failed", "met the old one", "met the new one"],
)
def test_only_a_start_that_met_the_certificate_before_is_ended(tmp_path, state, began, holds):
    """A broker that works keeps its connections, and one that failed is started by the run."""
    certificate, told = tmp_path / "node.crt", tmp_path / "systemctl"
    certificate.touch()
    day = datetime(2026, 1, 2, tzinfo=UTC).timestamp()
    os.utime(certificate, (day, day))
    told.write_text(
        f'#!/bin/sh\ncase "$*" in *Timestamp*) echo "{began} UTC";; *) echo {state};; esac\n'
    )
    told.chmod(0o755)

    guard = STEP.guard.replace(CERTIFICATE, str(certificate))
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(["/bin/sh", "-euc", guard], env={"PATH": path}, check=False)

    assert (done.returncode == 0) is holds
