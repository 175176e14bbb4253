"""Joining and leaving etcd, against a cluster in memory."""

import re
from pathlib import Path
from typing import Any

import pytest

from installer.roles.database import etcd_members
from installer.roles.database.etcd_gateway import Refusal
from installer.roles.database.probe import probe

ME, PEERS = "10.0.0.13", ("10.0.0.11", "10.0.0.12")


class World:
    """A cluster of etcd with its members, and what was run on this node."""

    def __init__(self) -> None:
        self.members: list[dict[str, Any]] = [
            member(1, "db-1", "10.0.0.11"),
            member(2, "db-2", "10.0.0.12"),
        ]
        self.leader = PEERS[1]
        self.asked: list[str] = []
        self.reached = ""
        self.refusals: list[str] = []  # said once each
        self.silent: list[str] = []  # the actions of which one answer does not come

    def at(self, host: str) -> "World":
        self.reached = host
        return self

    def says(self, what: re.Pattern[str], host: str) -> bool | None:
        return what is etcd_members._LEADER and host == self.leader

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        action = path.removeprefix("cluster/member/")
        if action == "list":
            return {"members": self.members}
        self.asked.append(action)
        if self.refusals:
            raise Refusal(self.refusals.pop(0))
        match action:
            case "add":
                new = {"ID": "9", "peerURLs": body["peerURLs"], "isLearner": body["isLearner"]}
                self.members = [*self.members, new]
            case "remove":
                self.members = [m for m in self.members if m["ID"] != body["ID"]]
            case "promote" if self.reached != self.leader:
                raise TimeoutError("timed out")  # it forwards it without the user's name
            case "promote":
                self.members = [
                    {**m, "isLearner": m["ID"] != body["ID"] and m.get("isLearner")}
                    for m in self.members
                ]
        if action in self.silent:
            self.silent.remove(action)
            raise TimeoutError("timed out")
        return {"members": self.members}


def member(number: int, name: str, host: str) -> dict[str, Any]:
    return {"ID": str(number), "name": name, "peerURLs": [f"https://{host}:2380"]}


@pytest.fixture
def world(monkeypatch, tmp_path) -> World:
    """An etcd of two members that runs, and a node without data."""
    world = World()
    monkeypatch.setattr(etcd_members, "_logged_in", world.at)
    monkeypatch.setattr(etcd_members, "_says", world.says)
    monkeypatch.setattr(etcd_members, "_is_healthy", lambda _: True)
    monkeypatch.setattr(etcd_members, "_AGAIN_S", 0)
    monkeypatch.setattr(etcd_members, "_JOIN_S", 1)
    monkeypatch.setattr(etcd_members, "STATE", tmp_path)
    monkeypatch.setattr(etcd_members, "DATA", tmp_path / "data" / "member")
    monkeypatch.setattr(etcd_members, "JOIN", tmp_path / "join.yml")
    monkeypatch.setattr("subprocess.run", lambda words, check: world.asked.append(words[0]))
    return world


def test_a_node_is_admitted_as_a_learner_and_votes_once_it_runs(world, tmp_path):
    assert etcd_members.join(ME, "db-3", PEERS) == 0

    assert world.asked == ["add", "install", "systemctl", "promote"]
    assert not any(m.get("isLearner") for m in world.members)
    told = (tmp_path / "join.yml").read_text()
    assert "db-1=https://10.0.0.11:2380,db-2=https://10.0.0.12:2380,db-3=https://10.0.0.13" in told
    assert "initial-cluster-state: existing" in told


def test_a_member_that_lost_its_data_is_removed_before_it_joins_again(world):
    """With an empty log it would vote again for what it has forgotten."""
    world.members.append(member(3, "db-3", ME))

    etcd_members.join(ME, "db-3", PEERS)

    assert world.asked[:2] == ["remove", "add"]


def test_the_former_self_at_another_address_is_removed(world):
    world.members.append(member(3, "db-3", "10.0.0.99"))

    etcd_members.join(ME, "db-3", PEERS)

    assert {m["ID"] for m in world.members} == {"1", "2", "9"}


def test_a_second_node_waits_until_the_first_one_votes(world):
    world.refusals = ["too many learner members in cluster"]

    etcd_members.join(ME, "db-3", PEERS)

    assert world.asked[:2] == ["add", "add"]


def test_a_learner_that_runs_is_promoted_by_the_next_run(world, monkeypatch):
    """The run that admitted it was killed."""
    etcd_members.DATA.mkdir(parents=True)
    world.members.append({**member(3, "db-3", ME), "isLearner": True})
    monkeypatch.setattr(etcd_members, "_is_learner", lambda *_: True)

    assert etcd_members.main(["joined", ME, *PEERS]) == 1
    etcd_members.main(["join", ME, "db-3", *PEERS])

    assert world.asked == ["promote"]


def test_a_learner_that_is_not_in_step_is_asked_for_again(world):
    etcd_members.DATA.mkdir(parents=True)
    world.members.append({**member(3, "db-3", ME), "isLearner": True})
    world.refusals = ["etcdserver: can only promote a learner member which is in sync with leader"]

    assert etcd_members.join(ME, "db-3", PEERS) == 0

    assert world.asked == ["promote", "promote"]
    assert not any(m.get("isLearner") for m in world.members)


@pytest.mark.parametrize(
    ("silent", "asked"),
    [
        ("add", ["add", "remove", "add", "install", "systemctl", "promote"]),
        ("promote", ["add", "install", "systemctl", "promote"]),
    ],
)
def test_a_change_whose_answer_did_not_come_is_looked_for(world, silent, asked):
    """It may have been made: to be admitted twice, or promoted twice, etcd refuses for ever."""
    world.silent = [silent]

    assert etcd_members.join(ME, "db-3", PEERS) == 0

    assert world.asked == asked
    assert [m["ID"] for m in world.members] == ["1", "2", "9"]
    assert not any(m.get("isLearner") for m in world.members)


def test_a_learner_that_the_others_removed_is_told_what_to_do(world, capsys):
    etcd_members.DATA.mkdir(parents=True)

    assert etcd_members.main(["join", ME, "db-3", *PEERS]) == 1

    assert "cfy_manager remove" in capsys.readouterr().out


@pytest.mark.parametrize(("is_learner", "code"), [(True, 1), (False, 0)])
def test_of_a_member_that_is_too_busy_to_answer_the_others_tell(
    world, monkeypatch, is_learner, code
):
    etcd_members.DATA.mkdir(parents=True)
    world.members.append({**member(3, "db-3", ME), "isLearner": is_learner})
    monkeypatch.setattr(etcd_members, "_says", lambda *_: None)

    assert etcd_members.main(["joined", ME, *PEERS]) == code


@pytest.mark.parametrize(
    ("has_data", "is_healthy", "code"),
    [(True, True, 0), (False, True, 1), (False, False, 0)],
    ids=["a member", "to join", "all begin together"],
)
def test_a_node_joins_only_without_data_beside_members_that_run(
    world, monkeypatch, has_data, is_healthy, code
):
    if has_data:
        etcd_members.DATA.mkdir(parents=True)
    monkeypatch.setattr(etcd_members, "_is_learner", lambda *_: False)
    monkeypatch.setattr(etcd_members, "_is_healthy", lambda _: is_healthy)

    assert etcd_members.main(["joined", ME, *PEERS]) == code


@pytest.mark.parametrize("known_as", [("db-2", "10.9.9.9"), ("renamed", "10.0.0.12")])
def test_a_member_leaves_by_its_name_or_its_address(world, known_as):
    assert etcd_members.main(["left", ME, *known_as]) == 1

    assert etcd_members.main(["leave", ME, *known_as]) == 0

    assert [m["name"] for m in world.members] == ["db-1"]
    assert etcd_members.main(["left", ME, *known_as]) == 0


def test_what_etcd_refuses_is_said(world, monkeypatch, capsys):
    """After its patience."""
    monkeypatch.setattr(etcd_members, "_LEAVE_S", -1)
    world.refusals = ["etcdserver: unhealthy cluster"]

    assert etcd_members.main(["leave", ME, "db-2", "10.0.0.12"]) == 1

    assert "unhealthy cluster" in capsys.readouterr().out


def test_the_text_for_the_node_is_whole_and_imports_nothing_of_ours(tmp_path: Path):
    text = probe("etcd-members", "joined", ME)

    assert "from installer" not in text
    assert text.count("class Etcd:") == 1
    compile(text.split("\n", 1)[1].removesuffix("PROBE\n"), "probe", "exec")
