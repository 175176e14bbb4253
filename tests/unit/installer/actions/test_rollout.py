"""Who must answer for a run: all nodes, or those that it works on."""

from types import SimpleNamespace

import pytest

from installer.actions import rollout
from installer.actions.rollout import opened, reached
from installer.engine.outcome import Outcome
from installer.errors import NodeUnreachable, Problem

JOBS = [SimpleNamespace(target=None, inputs=SimpleNamespace(name=f"db-{n}")) for n in (1, 2, 3)]


class Engine:
    """Three nodes, of which one does not answer."""

    def __init__(self, _targets=()):
        self.problem = Problem(where="db-3", what="no answer", remedy="look")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def connect(self):
        return {"db-3": self.problem}

    def on_each(self, nodes, _act):
        return {n: Outcome(error=self.problem if n == "db-3" else None) for n in nodes}


@pytest.fixture(autouse=True)
def nodes(monkeypatch):
    monkeypatch.setattr(rollout, "Engine", Engine)
    monkeypatch.setattr(rollout, "stages_seen", lambda _, jobs: [job.inputs.name for job in jobs])


@pytest.mark.parametrize("needed", [None, ["db-3"], ["db-1", "db-3"]])
def test_a_run_needs_all_nodes_or_those_that_it_names(needed):
    with pytest.raises(NodeUnreachable, match="no answer"), opened(JOBS, needed):
        pass


def test_others_that_are_away_have_no_part_in_it():
    with opened(JOBS, ["db-1"]) as (_, stages):
        assert stages == ["db-1", "db-2"]


def test_those_that_went_away_meanwhile_are_left_out_too():
    assert reached(Engine(), JOBS, ["db-1"]) == (JOBS[0], JOBS[1])
    with pytest.raises(NodeUnreachable, match="no answer"):
        reached(Engine(), JOBS, ["db-3"])
