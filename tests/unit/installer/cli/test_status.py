"""What a person and a program see of a status, and the exit codes."""

import json

import pytest
from click.testing import CliRunner

from installer.cli import status as command
from installer.cli.cluster_group import cluster
from installer.cli.status_view import status_json, status_text
from installer.status.judge import judge
from installer.status.request import BROKERS, PATRONI
from tests.unit.installer.status.world import (
    DATABASES,
    QUEUES,
    ROOT,
    brokers,
    healthy,
    patroni,
    with_answer,
    with_node,
)

PAUSED = with_answer(healthy(), PATRONI, patroni(pause=True), *DATABASES)
ALARM = with_answer(healthy(), BROKERS, brokers(queue_2={"mem_alarm": True}), *QUEUES)


class Watcher:
    """Tells facts instead of asking; the last look is interrupted."""

    def __init__(self, *looks):
        self.looks = list(looks)

    def __call__(self, inventory, **options):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *what):
        pass

    def facts(self):
        if not self.looks:
            raise KeyboardInterrupt
        return self.looks.pop(0)


def run(monkeypatch, looks, *words):
    monkeypatch.setattr(command, "Watcher", Watcher(*looks))
    path = str(ROOT / "inventories" / "ten-nodes.yaml")
    result = CliRunner().invoke(
        cluster, ["status", "-i", path, *words], standalone_mode=False, catch_exceptions=False
    )
    return result.return_value, result.output


@pytest.mark.parametrize(
    ("facts", "code", "verdict"),
    [(healthy(), 0, "healthy"), (PAUSED, 1, "degraded"), (ALARM, 2, "down")],
)
def test_the_exit_code_is_the_verdict(monkeypatch, facts, code, verdict):
    returned, output = run(monkeypatch, [facts])

    assert returned == code
    assert output.startswith(f"ten-nodes: {verdict}")


def test_json_is_one_object_a_look(monkeypatch):
    code, output = run(monkeypatch, [healthy(), ALARM], "--json", "--watch", "--every", "0.2")

    looks = [json.loads(line) for line in output.splitlines()]
    assert [look["verdict"] for look in looks] == ["healthy", "down"]
    assert code == 2, "the code of the last look"


def test_a_pipe_gets_no_colours_and_no_wrapped_lines(monkeypatch):
    _, text = run(monkeypatch, [ALARM])

    assert "\x1b" not in text
    assert "queue-2: its memory alarm is set: no broker of the cluster takes a message" in text
    assert "More: cfy_manager explain broker-alarm" in text


def test_columns_that_say_nothing_are_left_out():
    whole = status_text(judge(healthy()))
    upgraded = status_text(judge(with_node(healthy(), "lb-1", own_version="2.0")))

    assert "drift" not in whole
    assert "version" not in whole
    assert "version" in upgraded


def test_the_table_fits_into_eighty_columns():
    rows = status_text(judge(ALARM)).split("\n\n")[2].splitlines()

    assert len(rows) == 11
    assert max(map(len, rows)) <= 80


def test_json_has_every_node_service_and_reason():
    told = json.loads(json.dumps(status_json(judge(ALARM))))

    assert len(told["nodes"]) == 10
    assert told["nodes"]["db-1"]["services"]["database"]["part"] == "leader"
    assert told["nodes"]["db-1"]["units"] == {"running": 2, "wanted": 2}
    assert [reason["code"] for reason in told["reasons"]] == ["broker-alarm"]
