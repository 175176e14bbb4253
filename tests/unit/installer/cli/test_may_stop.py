"""`cluster may-stop` and `cluster stop` as an operator types them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from installer.actions import may_stop
from installer.cli import run
from installer.errors import ConfigError, Refused
from installer.foresight.outlook import load_outlook
from installer.foresight.stopping import whole
from installer.status.presence import Presence

ROOT = Path(__file__).parents[4]
TEN = ROOT / "inventories" / "ten-nodes.yaml"


@pytest.fixture
def ask(capsys, monkeypatch):
    """Return a function that asks of the ten nodes, with these brokers gone."""
    best = whole(load_outlook(TEN).layout, Presence())

    def call(*words, down=()):
        found = replace(best, brokers={name: name not in down for name in best.brokers})
        monkeypatch.setattr(may_stop, "look_around", lambda _: found)
        code = run(["cluster", "may-stop", *words, "-i", str(TEN)])
        return code, capsys.readouterr()

    return call


def test_a_host_of_a_whole_cluster_may_stop(ask):
    code, told = ask("queue-1")

    assert code == 0
    assert told.out.startswith("queue-1: may stop now\n")


def test_a_refusal_has_reason_remedy_and_who_may_be_next(ask):
    code, told = ask("queue-1", down=("queue-3",))

    assert code == Refused.exit_code
    assert "queue: 1 of 3 brokers are no majority" in told.out
    assert "→ first bring back queue-3" in told.out
    assert "Not whole now: queue-3" in told.out


def test_json_says_that_a_single_load_balancer_has_no_order(ask):
    _, told = ask("queue-1", "--json")
    answer = json.loads(told.out)

    assert answer["may_stop"] is True
    assert answer["order"] is None
    assert [each["nodes"] for each in answer["impossible"]] == [["lb-1"]]
    assert "lb-1" not in answer["next"]


def test_an_unknown_node_is_told_with_those_that_there_are(ask):
    code, told = ask("queue-9")

    assert code == ConfigError.exit_code
    assert "queue-9: no node has this name" in told.err


def test_stopping_everything_takes_the_typed_name_of_the_cluster(capsys, monkeypatch):
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "another")

    code = run(["cluster", "stop", "-i", str(TEN)])

    assert code == Refused.exit_code
    assert "another is not the name of the cluster" in capsys.readouterr().err
