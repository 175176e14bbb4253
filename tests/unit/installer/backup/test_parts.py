"""What parts ask of nodes, which set each comes from, and how damage is told."""

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from installer.actions import backup_parts
from installer.actions.backup_parts import remove_expired, restore_parts, source_of
from installer.backup import files, queue
from installer.backup.backup_set import PartTaken
from installer.backup.files import FilesPart
from installer.backup.node.definitions import restorable
from installer.backup.queue import QueuePart
from installer.backup.registry import PARTS
from installer.backup.unsettled import unsettle
from installer.errors import NodeUnreachable
from tests.support.backups import MemoryStore, ScriptedNodes, a_set, part_run

NODES = {
    "manager": ("m-1", "m-2", "m-3"),
    "queue": ("mq-1", "mq-2"),
}
INVENTORY = SimpleNamespace(
    with_role=lambda role: tuple(SimpleNamespace(name=name) for name in NODES.get(str(role), ()))
)
HASH = "ab" * 32


@pytest.fixture
def carried(monkeypatch):
    """Take streams as done, and return who sent or got what."""
    done = []

    def carry(run, name, node, script):
        done.append((run.backup.label, name, node))
        return SimpleNamespace(bytes=7, sha256=HASH)

    for module in ("files", "queue"):
        monkeypatch.setattr(f"installer.backup.{module}.keep", carry)
        monkeypatch.setattr(f"installer.backup.{module}.bring", carry)
    return done


def test_the_files_are_kept_from_the_manager_that_has_most(carried):
    ask = ScriptedNodes({"m-1": (0, "7\n", ""), "m-3": (0, "19\n", "")})
    run, told = part_run(INVENTORY, ask=ask)

    taken = FilesPart().take(run)

    assert carried == [(run.backup.label, "files.tar.gz", "m-3")]
    assert taken.facts == {"manager": "m-3", "files": 19, "sha256": HASH}
    assert any("m-2 is left out" in line for line in told)


def test_without_any_manager_that_answers_there_is_no_backup_of_files(carried):
    with pytest.raises(NodeUnreachable):
        FilesPart().take(part_run(INVENTORY)[0])

    assert carried == []


def test_the_files_come_back_on_one_manager(carried):
    run, _ = part_run(INVENTORY, ask=ScriptedNodes({"m-2": (0, "0", ""), "m-3": (0, "0", "")}))

    FilesPart().restore(run, PartTaken(name="files", facts={"files": 3}))

    assert [node for _, _, node in carried] == ["m-2"]


def test_queues_are_emptied_after_the_definitions_are_there(carried):
    ask = ScriptedNodes({"mq-2": (0, "12\n", "")})
    run, told = part_run(INVENTORY, ask=ask)

    QueuePart().restore(run, PartTaken(name="queue", facts={"broker": "mq-1"}))

    assert [node for _, _, node in carried] == ["mq-2"]
    assert "purge" in ask.scripts[-1][1]
    assert "12 queues are empty" in told[-1]


def test_the_broker_gets_the_definitions_as_a_file_that_goes_away(tmp_path):
    """Its tool's Erlang does not read stdin: on a real broker it waited for ever."""
    tool = tmp_path / "rabbitmqctl"
    tool.write_text(f'#!/bin/sh\ncp "$3" {tmp_path}/imported; echo "$3" > {tmp_path}/path\n')
    tool.chmod(0o755)
    (tmp_path / "chown").symlink_to("/bin/true")
    (tmp_path / "own.json").write_text("{}")
    write = queue._WRITE.replace(queue._OWN, str(tmp_path / "own.json"))
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}

    kept = json.dumps({"queues": [{"name": "agent-1"}]})
    subprocess.run(["sh", "-euc", write], input=kept, text=True, env=path, check=True)

    imported = json.loads((tmp_path / "imported").read_text())
    assert imported["queues"] == [{"name": "agent-1"}]
    assert not Path((tmp_path / "path").read_text().strip()).exists()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((0, f"{HASH}  -\n", ""), None),
        ((0, f"{'cd' * 32}  -\n", ""), "its content has changed: SHA-256 cdcd"),
        ((0, "e3b0  -\n", "ERROR: [055]: unable to open missing file"), "unable to open missing"),
    ],
)
def test_a_damaged_file_is_told(answer, words):
    run, _ = part_run(INVENTORY, ask=ScriptedNodes({"db-1": answer}))

    problems = list(FilesPart().verify(run, PartTaken(name="files", facts={"sha256": HASH})))

    assert [words in p.what for p in problems] == ([True] if words else [])


def test_what_the_installer_says_of_the_broker_stays():
    own = {"users": [{"name": "cloudify"}], "policies": [{"vhost": "/", "name": "queues"}]}
    kept = {
        "vhosts": [{"name": "/"}, {"name": "rabbitmq_vhost_t"}],
        "users": [{"name": "cloudify", "password_hash": "old"}, {"name": "agent-1"}],
        "permissions": [{"user": "cloudify", "vhost": "/"}, {"user": "agent-1", "vhost": "/"}],
        "policies": [{"vhost": "/", "name": "queues"}, {"vhost": "t", "name": "queues"}],
        "global_parameters": [{"name": "internal_cluster_id"}, {"name": "mine"}],
        "queues": [{"name": "agent-1_operation"}],
    }

    chosen = restorable(kept, own)

    assert [user["name"] for user in chosen["users"]] == ["agent-1"]
    assert [one["user"] for one in chosen["permissions"]] == ["agent-1"]
    assert chosen["policies"] == [{"vhost": "t", "name": "queues"}]
    assert chosen["global_parameters"] == [{"name": "mine"}]
    assert (chosen["queues"], chosen["vhosts"]) == (kept["queues"], kept["vhosts"])


MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def sets_of(*held):
    """Return backups a day apart, oldest first, each with the parts of these names."""
    return [
        a_set(str(day), *parts.split(), finished=MOMENT + timedelta(days=day))
        for day, parts in enumerate(held)
    ]


@pytest.mark.parametrize(
    ("older", "own", "younger", "keys", "files"),
    [
        ("keys files", "keys files", "keys files", "1", "2"),  # a tree of later has more
        ("keys files", "keys files", "", "1", "1"),
        ("keys files", "", "", "0", "0"),  # the database's own backup of a night
        ("", "", "keys files", None, "2"),
        ("", "", "", None, None),
    ],
)
def test_a_part_comes_from_the_backup_that_fits_best(older, own, younger, keys, files):
    """A blueprint of the last hour is in the database, and in no tree that is older."""
    first, second, third = sets_of(older, own, younger)
    sets = (second, third, first)

    found = [
        source_of(SimpleNamespace(name=name, may_be_younger=name == "files"), sets)
        for name in ("keys", "files")
    ]

    assert [one and one.label for one in found] == [keys, files]


def test_parts_come_back_in_their_order_and_an_older_one_is_told(monkeypatch):
    came, told = [], []

    def part(name):
        return SimpleNamespace(
            name=name,
            may_be_younger=False,
            concerns=lambda inventory: name != "queue",
            restore=lambda run, taken: came.append((taken.name, run.backup.label)),
        )

    def run_of(nodes, make, phase, backup, node):
        return replace(part_run(0, backup=backup)[0], tell=told.append)

    monkeypatch.setattr(backup_parts, "PARTS", tuple(map(part, ("keys", "queue", "files"))))
    monkeypatch.setattr(backup_parts, "_run", run_of)
    first, second = sets_of("keys queue files", "files")

    nodes = SimpleNamespace(inventory=INVENTORY)
    lines = restore_parts(nodes, None, (second, first), SimpleNamespace(name="db-1"))

    assert came == [("keys", "0"), ("files", "1")]
    assert lines == ("bring back keys of 0", "bring back files of 1")
    assert told == ["keys of 0, which is older than 1"]


def test_parts_go_with_their_backup(monkeypatch):
    store = MemoryStore(files={("old", "keys.sealed"): b"", ("new", "keys.sealed"): b""})
    monkeypatch.setattr(backup_parts, "RepositoryStore", lambda ask, node: store)
    monkeypatch.setattr(backup_parts, "call", lambda session, *words: "")
    monkeypatch.setattr(backup_parts, "read_sets", lambda info: (a_set("new"), a_set("newer")))

    lines = remove_expired(ScriptedNodes({}), SimpleNamespace(name="db-1"))

    assert store.labels() == {"new"}
    assert lines == ("remove the parts of old, which has expired",)


def test_only_one_manager_settles():
    """A second one that comes back days later would end what runs by then."""
    ask = ScriptedNodes({"m-1": (0, "", ""), "m-2": (0, "", "")})

    for name in ("m-1", "m-2"):
        ask(name, lambda session: unsettle({"managers": {"m-1": "10.0.0.1"}}, "m-1", session))

    assert ["restored-database" in script for _, script in ask.scripts] == [True, False]
    assert all("rm -f" in script for _, script in ask.scripts)


def test_every_part_has_a_name_of_its_own():
    names = [part.name for part in PARTS]

    assert len(set(names)) == len(names)


def test_a_tree_comes_back_whole_and_leaves_what_is_of_this_manager(tmp_path):
    """The runtime's types are of the installed release; uploads under way are of one manager."""
    here = ["blueprints/t/new/x", ".incoming/upload", "cloudify/types/here", ".stignore"]
    there = ["blueprints/t/old/.git/c", "plugins/p/z", "cloudify/types/there", ".incoming/other"]
    for folder, names in (("here", here), ("there", there)):
        for name in names:
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).write_text(name)
    as_user = "setpriv --reuid=cfyuser --regid=cfyuser --init-groups "
    read = files._READ.replace(files._RESOURCES, str(tmp_path / "there"))
    write = files._WRITE.replace(files._RESOURCES, str(tmp_path / "here")).replace(as_user, "")

    subprocess.run(["sh", "-euc", f"({read}) | ({write})"], check=True)

    found = {
        str(p.relative_to(tmp_path / "here")) for p in tmp_path.glob("here/**/*") if p.is_file()
    }
    assert found == {
        *("blueprints/t/old/.git/c", "plugins/p/z"),
        *(".incoming/upload", "cloudify/types/here", ".stignore"),
    }
