"""Plans and drift: looking changes nothing, a plan is kept to, a person's change is never lost.

One story on one host, told by a fixture; the shared cluster is only looked at.
"""

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster import ROOT, TOOL, Cluster, tool
from tests.support.host_state import changes_between, host_state
from tests.support.sandbox import sandbox_of

pytestmark = pytest.mark.cluster

REFUSED = 8
# the database has files, restarts and steps of every kind; other roles would only add time
ONLY = ("--only", "node", "--only", "database")
INVENTORY = """\
cluster: {name: planned}
nodes:
  - {name: db-1, address: 10.81.0.11, roles: [database, queue, manager]}
secrets: secrets.yaml
certificates: certificates
settings:
  postgresql_server:
    config:
      work_mem: 8MB
"""
PATRONI, ETCD, CONFIG = "/etc/patroni/config.yml", "/etc/etcd/etcd.yml", "/etc/cloudify/config.yaml"


@dataclass
class Done:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def changes(self) -> list[str]:
        """Return what `install --json` says that it changed."""
        events = [json.loads(line) for line in self.stdout.splitlines()]
        ends = [event for event in events if event["kind"] == "phase-finished"]
        assert ends, self.stderr
        return [change for event in ends for change in event.get("changes", ())]


@dataclass
class Story:
    """The host, and what each chapter saw."""

    cluster: Cluster
    folder: Path
    seen: dict[str, Any] = field(default_factory=dict)

    def manage(self, *words: str) -> Done:
        found = self.cluster.manage("cluster", *words, check=False)
        return Done(found.returncode, found.stdout, found.stderr)

    def plan(self, name: str, *words: str) -> Path:
        path = self.folder / name
        done = self.manage("plan", "-i", self.inventory, "-o", str(path), *ONLY, *words)
        assert done.code == 0, done.stderr
        return path

    def install(self, *words: str) -> Done:
        return self.manage("install", "-i", self.inventory, "--json", *words)

    def drift(self) -> dict[str, dict[str, Any]]:
        """Return what drifted in what the story installs, by name."""
        done = self.manage("drift", "-i", self.inventory, "--json")
        assert done.code == 0, done.stderr
        (found,) = json.loads(done.stdout.splitlines()[-1]).values()
        return {one["name"]: one for one in found if one["drift"] != "not there yet"}

    @property
    def inventory(self) -> str:
        return str(self.cluster.inventory)

    def sh(self, script: str) -> str:
        return self.cluster.sh("db-1", script)

    def state(self) -> set[str]:
        return host_state(self.sh)


@pytest.fixture(scope="module")
def story(machine: None, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("planned")
    source = folder / "planned.yaml"
    source.write_text(INVENTORY)
    with sandbox_of("planned", source) as made:
        found = tool("sandbox", "inventory", made.name, "-i", source, "--bundle", bundle)
        inventory = Path(found.strip())
        text = inventory.read_text()
        inventory.write_text(text.replace("work_mem: 8MB", "work_mem: 8MB  # as measured"))
        yield Story(Cluster(made.name, inventory), folder)


@pytest.fixture(scope="module")
def fresh(story: Story) -> Story:
    """A bare host that was looked at, then installed by the plan that was made of it."""
    before = story.state()
    plan = story.plan("fresh.json")
    story.manage("drift", "-i", story.inventory)
    story.seen["changed by looking at a bare host"] = changes_between(before, story.state())
    story.seen["fresh"] = json.loads(plan.read_text())
    story.seen["secrets made by looking"] = (
        story.cluster.inventory.parent / "secrets.yaml"
    ).exists()
    story.seen["killed"] = _killed_install(story, plan)
    story.seen["after kill"] = story.install("--plan", str(plan))
    story.seen["install"] = story.install("--plan", str(story.plan("second.json")))
    return story


def _killed_install(story: Story, plan: Path) -> int:
    """Kill an install once it changes the host, as a power cut would."""
    command = (*TOOL, "sandbox", "exec", story.cluster.name, "--", *TOOL, "cluster", "install")
    process = subprocess.Popen(
        (*command, "-i", story.inventory, "--json", "--plan", str(plan)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    with contextlib.closing(process.stdout):
        for line in process.stdout:
            event = json.loads(line)
            if (event["kind"], event.get("phase")) == ("phase-finished", "node/bundle"):
                process.send_signal(signal.SIGKILL)
                break
    return process.wait()


def test_looking_at_a_bare_host_changes_nothing(fresh: Story):
    assert fresh.seen["changed by looking at a bare host"] == []
    assert not fresh.seen["secrets made by looking"]


def test_looking_at_the_shared_cluster_changes_nothing(cluster: Cluster):
    nodes = [cluster.having(role)[0] for role in ("database", "queue", "manager", "loadbalancer")]

    def states() -> dict[str, set[str]]:
        with ThreadPoolExecutor() as pool:
            found = pool.map(lambda node: host_state(partial(cluster.sh, node)), nodes)
        return dict(zip(nodes, found, strict=True))

    before = states()
    plan = cluster.manage("cluster", "plan", "-i", cluster.inventory).stdout
    drift = cluster.manage("cluster", "drift", "-i", cluster.inventory, "--exit-code").stdout
    after = states()

    assert "no changes" in plan
    assert "Drift: none" in drift
    assert {n: changes_between(before[n], after[n]) for n in nodes} == {n: [] for n in nodes}


def test_a_plan_of_a_bare_host_tells_what_the_run_will_make(fresh: Story):
    plan = fresh.seen["fresh"]

    made = {change["name"]: change["new"] for change in plan["changes"] if "new" in change}
    assert made[PATRONI] == made[CONFIG] == "to be made"
    assert made["/etc/systemd/system/patroni.service"] != "to be made"
    assert "secret postgres_password" in plan["generated"]
    assert "certificate ca.crt" in plan["generated"]


def test_a_plan_is_used_up_by_a_killed_run_and_says_what_that_changed(fresh: Story):
    after = fresh.seen["after kill"]

    assert fresh.seen["killed"] < 0
    assert after.code == REFUSED
    assert "secret postgres_password: the configuration changed since the plan" in after.stderr


def test_a_new_plan_after_a_kill_converges(fresh: Story):
    install = fresh.seen["install"]

    assert install.code == 0, install.stderr
    assert install.changes
    assert fresh.install(*ONLY).changes == []
    assert fresh.drift() == {}


def test_looking_at_an_installed_host_changes_nothing(fresh: Story):
    before = fresh.state()

    plan = fresh.manage("plan", "-i", fresh.inventory, *ONLY, "--diff").stdout
    fresh.drift()

    assert "no changes" in plan
    assert changes_between(before, fresh.state()) == []


def test_a_changed_node_is_told_and_nothing_is_done(fresh: Story):
    plan = fresh.plan("facts.json")
    fresh.sh(f"systemctl stop patroni; echo '# by hand' >> {ETCD}; chmod 0755 /etc/patroni")
    before = fresh.state()

    done = fresh.install("--plan", str(plan))

    try:
        assert done.code == REFUSED
        assert (
            f"db-1: path {ETCD}: changed since the plan: its content is another one" in done.stderr
        )
        assert "db-1: unit patroni.service: changed since the plan: was running" in done.stderr
        assert "db-1: path /etc/patroni: changed since the plan: was directory 0750" in done.stderr
        told = [line for line in done.stderr.splitlines() if "[plan-facts-changed]" in line]
        # what depends on PostgreSQL cannot be told to hold while it is stopped
        assert len([line for line in told if "step database/patroni/" not in line]) == 3
        assert changes_between(before, fresh.state()) == []
    finally:
        fresh.sh(f"sed -i '/^# by hand/d' {ETCD}; chmod 0750 /etc/patroni; systemctl start patroni")


def test_a_changed_setting_an_edited_plan_and_another_cluster_are_refused(fresh: Story):
    plan = fresh.plan("settings.json")
    text = fresh.cluster.inventory.read_text()
    edited = fresh.folder / "edited.json"
    edited.write_text(plan.read_text().replace('"skip": []', '"skip": ["database"]'))
    try:
        fresh.cluster.inventory.write_text(text.replace("8MB", "16MB"))
        setting = fresh.install("--plan", str(plan))
        fresh.cluster.inventory.write_text(text.replace("name: planned", "name: other"))
        other = fresh.install("--plan", str(plan))
    finally:
        fresh.cluster.inventory.write_text(text)

    assert [setting.code, other.code] == [REFUSED, REFUSED]
    assert "inventory settings.postgresql_server.config.work_mem" in setting.stderr
    assert "[plan-seal]" in other.stderr  # it has another folder, and so another key
    tampered = fresh.install("--plan", str(edited))
    assert (tampered.code, "[plan-tampered]" in tampered.stderr) == (REFUSED, True)


def test_a_saved_plan_holds_no_secret(fresh: Story):
    text = fresh.plan("secrets.json").read_text()

    assert [name for name, value in fresh.cluster.secrets.items() if value in text] == []


def test_an_overwritten_change_stays_on_the_node_as_a_copy(fresh: Story):
    fresh.sh(f"echo '# at night' >> {ETCD}")
    (drifted,) = fresh.drift().values()

    done = fresh.install(*ONLY)

    copies = fresh.sh(f"ls /var/lib/cfy_manager/replaced{ETCD}.*").split()
    told = [change for change in done.changes if "keep what stood" in change]
    assert drifted["drift"] == "changed by hand"
    assert drifted["found"].startswith("«secret» 0400 etcd")  # no digest: it has a token
    assert told == [f"db-1: keep what stood at {ETCD} as {copies[-1]}"]
    assert "# at night" in fresh.sh(f"tail -1 {copies[-1]}")
    assert fresh.sh(f"stat -c %a,%U {copies[-1]}").strip() == "600,root"
    assert "# at night" not in fresh.sh(f"cat {ETCD}")


def test_a_plan_keeps_a_change_through_later_runs_until_it_is_overwritten(fresh: Story):
    fresh.sh(f"echo '# mine' >> {ETCD}")
    invocation = fresh.sh("systemctl show -P InvocationID etcd")

    plan_to_keep = fresh.plan("keep.json", "--on-drift", "keep")
    kept = fresh.install("--plan", str(plan_to_keep))
    later = fresh.install(*ONLY)
    state = fresh.drift()[ETCD]["drift"]
    plan = fresh.manage("plan", "-i", fresh.inventory, *ONLY).stdout
    content = fresh.sh(f"cat {ETCD}")
    fresh.install(*ONLY, "--on-drift", "overwrite")

    assert (kept.changes, later.changes) == ([], [])
    assert state == "kept as it is"
    assert f"Changed by hand, and kept\n  db-1: {ETCD}" in plan
    assert "# mine" in content
    assert "# mine" not in fresh.sh(f"cat {ETCD}")
    assert invocation != fresh.sh("systemctl show -P InvocationID etcd")
    assert fresh.drift() == {}


def test_a_parameter_and_a_key_of_config_yaml_are_adopted_into_the_inventory(fresh: Story):
    fresh.sh(
        f"sed -i 's/work_mem: .*/work_mem: 12MB/; s/checkpoint: fast/checkpoint: slow/' {PATRONI}\n"
        f"sed -i 's/^rabbitmq:/&\\n  fd_limit: 70000/' {CONFIG}"
    )

    before, text = fresh.state(), fresh.cluster.inventory.read_text()
    partly = fresh.install(*ONLY, "--on-drift", "adopt")
    fresh.seen["changed by a refusal"] = changes_between(before, fresh.state())
    unchanged = fresh.cluster.inventory.read_text() == text
    fresh.sh(f"sed -i 's/checkpoint: slow/checkpoint: fast/' {PATRONI}")
    done = fresh.install(*ONLY, "--on-drift", "adopt")

    settings = yaml.safe_load(fresh.cluster.inventory.read_text())["settings"]
    assert partly.code == REFUSED
    assert "no setting describes postgresql.basebackup.checkpoint" in partly.stderr
    assert (unchanged, fresh.seen["changed by a refusal"]) == (True, [])
    assert done.code == 0, done.stderr
    assert settings["postgresql_server"]["config"]["work_mem"] == "12MB"
    assert settings["rabbitmq"]["fd_limit"] == 70000
    assert "# as measured" in fresh.cluster.inventory.read_text()
    shown = "psql -U postgres -h /run/postgresql -Atc 'SHOW work_mem'"
    assert fresh.sh(f"runuser -u postgres -- {shown}").strip() == "12MB"
    assert fresh.drift() == {}
