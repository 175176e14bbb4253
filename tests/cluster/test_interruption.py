"""An install may be killed at any point: the next run knows what was done, and converges.

One story on three hosts, told by a fixture; each test looks at one of its runs.
"""

import contextlib
import getpass
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster import ROOT, TOOL, Cluster, tool, wait_until
from tests.support.sandbox import sandbox_of

pytestmark = pytest.mark.cluster

# the database is what takes steps in order; the other roles would only add time
ONLY = ("--only", "node", "--only", "database")
INVENTORY = {
    "cluster": {"name": "interrupted"},
    "nodes": [
        {"name": "db-1", "address": "10.78.0.11", "roles": ["database", "queue", "manager"]},
        {"name": "db-2", "address": "10.78.0.12", "roles": ["database"]},
        {"name": "db-3", "address": "10.78.0.13", "roles": ["database"]},
    ],
}
PACKAGES, ETCD, PATRONI = "database/packages", "database/etcd", "database/patroni"
GATE = "wait until one leader runs and every replica follows it"
STEP = "Set the passwords of the database's own users"
PROMPT_S = 10  # a person who types ctrl-C waits no longer

Event = dict[str, Any]


@dataclass
class Run:
    """What one `cluster install` printed and how it ended."""

    code: int
    events: list[Event]
    stderr: str

    @property
    def told(self) -> str:
        """Return what it said of the run before it."""
        texts = [event["text"] for event in self.events if event["kind"] == "message"]
        return " ".join(text for text in texts if text.startswith("The run "))

    def said_of(self, word: str) -> set[str]:
        """Return the phases it listed as `done`, `unknown` or `not begun`."""
        found = re.search(rf"{word}: ([^;.]*)", self.told)
        assert found, self.told
        return set(found[1].split(", "))

    @property
    def outcomes(self) -> dict[str, str]:
        done = (event for event in self.events if event["kind"] == "phase-finished")
        return {event["phase"]: event["outcome"] for event in done}


@dataclass
class Story:
    """The cluster of the fixture, with its runs by name."""

    cluster: Cluster
    runs: dict[str, Run] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)


def heed_ctrl_c() -> None:
    """Undo what a shell does to the jobs that it runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def installing(cluster: Cluster, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run `cluster install` as a process of ours: `sandbox exec` becomes it."""
    command = (*TOOL, "sandbox", "exec", cluster.name, "--", *TOOL)
    process = subprocess.Popen(
        (*command, "cluster", "install", "-i", cluster.inventory, "--json", *(words or ONLY)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        preexec_fn=heed_ctrl_c,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def install(
    cluster: Cluster,
    until: Callable[[Event], bool] = lambda _: False,
    act: Callable[[subprocess.Popen[str]], object] = lambda _: None,
) -> Run:
    """Run `cluster install`; at the first event that `until` is true of, `act` on the process."""
    with installing(cluster) as process:
        assert process.stdout is not None
        events, acted = [], False
        for line in process.stdout:
            events.append(json.loads(line))
            if not acted and until(events[-1]):
                acted = True
                act(process)
        _, stderr = process.communicate(timeout=60)
    return Run(process.returncode, events, stderr)


def begins(phase: str) -> Callable[[Event], bool]:
    return lambda event: event["kind"] == "node-started" and event["phase"] == phase


def notes(text: str) -> Callable[[Event], bool]:
    return lambda event: event["kind"] == "node-note" and event["text"] == text


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)


@pytest.fixture(scope="module")
def made(machine: None, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    source = tmp_path_factory.mktemp("interrupted") / "inventory.yaml"
    source.write_text(yaml.safe_dump(INVENTORY))
    with sandbox_of("kill", source) as sandbox:
        found = tool("sandbox", "inventory", sandbox.name, "-i", source, "--bundle", bundle)
        yield Story(Cluster(sandbox.name, Path(found.strip())))


# --- before anything is installed ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("mutate", "key"),
    [
        (lambda d: d["nodes"][1].update(address="10.78.0.300"), "nodes[1].address"),
        (lambda d: d["nodes"].pop(), "nodes"),
    ],
    ids=["bad address", "even quorum"],
)
def test_a_bad_inventory_is_refused_before_any_connection(made, tmp_path, mutate, key):
    document = made.cluster.document
    mutate(document)
    bad = tmp_path / "inventory.yaml"
    bad.write_text(yaml.safe_dump(document))
    before = connections(made.cluster)

    done = made.cluster.manage("cluster", "install", "-i", bad, check=False)

    assert done.returncode == 3, done.stderr
    assert re.search(rf"inventory\.yaml:\d+: {re.escape(key)}: ", done.stderr), done.stderr
    assert connections(made.cluster) == before


def test_an_unreachable_node_is_named_and_nothing_is_changed(made):
    made.cluster.fail("cut", "db-3")
    try:
        run = install(made.cluster)
    finally:
        made.cluster.heal("db-3")

    assert run.code == 5
    assert re.findall(r"^(?:\d+\. )?(db-\d)", run.stderr, re.MULTILINE) == ["db-3"]
    for node in ("db-1", "db-2"):
        touched = "test ! -e /etc/cloudify && test ! -e /var/lib/cfy_manager"
        made.cluster.sh(node, touched)


def connections(cluster: Cluster) -> list[str]:
    """Return how many TCP connections each host has ever taken."""
    lines = "grep -h '^Tcp:' /proc/net/snmp"
    found = [cluster.sh(node, lines).splitlines() for node in cluster.nodes]
    return [values.split()[heads.split().index("PassiveOpens")] for heads, values in found]


# --- the story of one install that took many runs -----------------------------------------------


@pytest.fixture(scope="module")
def story(made: Story) -> Story:
    cluster, runs, seen = made.cluster, made.runs, made.seen

    def second_install(process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGSTOP)  # or it might end before the second one begins
        words = ("cluster", "install", "-i", cluster.inventory)
        seen["first"] = process.pid
        seen["second"] = cluster.manage(*words, check=False)
        process.send_signal(signal.SIGCONT)

    def type_ctrl_c(process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGINT)
        ended_in_s = wait_until(
            lambda: process.poll() is not None, "the install ends", timeout_s=120
        )
        seen["ctrl-C ended in"] = ended_in_s

    def kill_dpkg(_: object) -> None:
        seen["half-done"] = cluster.sh("db-3", KILL_DPKG)

    def kill_while_repairing(process: subprocess.Popen[str]) -> None:
        cluster.sh("db-3", "until pgrep -x dpkg >/dev/null; do sleep 0.05; done")
        kill(process)

    runs["dpkg killed"] = install(cluster, begins(PACKAGES), kill_dpkg)
    runs["killed in packages"] = install(cluster, begins(PACKAGES), kill_while_repairing)
    runs["killed in files"] = install(cluster, begins(ETCD), kill)
    runs["ctrl-C"] = install(cluster, notes(GATE), type_ctrl_c)
    runs["killed in steps"] = install(cluster, notes(STEP), kill)
    runs["whole"] = install(cluster, begins("node/base"), second_install)
    runs["unchanged"] = install(cluster)
    return made


# waits until dpkg has something half-done, and says what that is
KILL_DPKG = """
until ls /var/lib/dpkg/updates | grep -q . && pkill -KILL -x dpkg; do sleep 0.02; done
pkill -KILL -x apt-get || true  # it may have ended with the dpkg it ran
ls /var/lib/dpkg/updates; dpkg --audit
"""


def test_a_killed_dpkg_fails_its_node_and_is_repaired_by_the_next_runs(story):
    run = story.runs["dpkg killed"]

    assert story.seen["half-done"].strip()
    assert run.code == 6
    assert run.outcomes[PACKAGES] == "failed"
    assert re.findall(r"^(?:\d+\. )?(db-\d)", run.stderr, re.MULTILINE) == ["db-3"]
    assert story.cluster.sh("db-3", "dpkg --audit") == ""


@pytest.mark.parametrize(
    ("killed", "following", "unknown"),
    [
        ("killed in packages", "killed in files", PACKAGES),
        ("killed in files", "ctrl-C", ETCD),
        ("ctrl-C", "killed in steps", PATRONI),
        ("killed in steps", "whole", PATRONI),
    ],
)
def test_the_next_run_says_what_was_done_unknown_and_not_begun(story, killed, following, unknown):
    run = story.runs[killed]
    order = next(e["phases"] for e in run.events if e["kind"] == "run-started")
    at = order.index(unknown)

    told = story.runs[following]

    assert told.said_of("unknown") == {unknown}
    assert told.said_of("done") == set(order[:at])
    assert told.said_of("not begun") == (set(order[at + 1 :]) or {"none"})


@pytest.mark.parametrize("name", ["killed in packages", "killed in files", "killed in steps"])
def test_kills_were_kills(story, name):
    assert story.runs[name].code == -signal.SIGKILL


def test_ctrl_c_ends_a_run_promptly_with_130(story):
    run = story.runs["ctrl-C"]

    assert run.code == 130
    assert "Run the same command again" in run.stderr
    sys.stdout.write(f"ctrl-C ended it in {story.seen['ctrl-C ended in']:.1f} s\n")
    assert story.seen["ctrl-C ended in"] < PROMPT_S


def test_a_second_install_at_the_same_time_is_refused_and_names_the_holder(story):
    second = story.seen["second"]

    assert second.returncode == 8
    holder = f"owner {getpass.getuser()}, pid {story.seen['first']}"
    assert f"another run holds the lock: {holder}" in second.stderr
    assert "command cluster install" in second.stderr


def test_the_last_run_converges(story):
    run = story.runs["whole"]

    assert run.code == 0, run.stderr
    assert "failed" not in run.outcomes.values()
    listed = story.cluster.sh("db-1", "patronictl -c /etc/patroni/config.yml list --format json")
    assert sorted(member["Role"] for member in json.loads(listed)) == [
        "Leader",
        "Replica",
        "Sync Standby",
    ]


def test_a_further_run_changes_nothing(story):
    run = story.runs["unchanged"]

    assert run.code == 0, run.stderr
    assert set(run.outcomes.values()) == {"unchanged"}
    assert run.told == ""
