"""Versions, status, and a blueprint that tries a manager."""

import json
import time

import pytest

from tests.support.cluster import Cluster, wait_until
from tests.support.killed import killed_when
from tests.support.pair import PAUSE_S, STATUS, ask

pytestmark = pytest.mark.cluster


def test_versions_are_told_of_every_node(pair: Cluster):
    told = pair.manage("cluster", "version", "-i", pair.inventory, "--json").stdout

    found = {(v["node"], v["program"]) for v in json.loads(told)["nodes"]}
    assert {("manager-1", "patroni"), ("manager-2", "runtime"), ("manager-2", "nginx")} <= found
    assert ("manager-2", "patroni") not in found


def test_while_a_host_is_away_the_others_are_told_and_its_row_says_so(pair: Cluster):
    pair.sh("manager-2", "systemctl stop ssh")

    version = pair.manage("cluster", "version", "-i", pair.inventory, check=False)
    status = pair.manage("cluster", "status", "-i", pair.inventory, check=False)
    told = pair.manage("cluster", "status", "-i", pair.inventory, "--json", check=False)

    pair.sh("manager-2", "systemctl start ssh")
    assert (version.returncode, status.returncode, told.returncode) == (5, 1, 1)
    assert "manager-1  patroni" in version.stdout
    assert "manager-2" not in version.stdout
    assert "manager-2: cannot log in" in version.stderr
    (row,) = (line for line in status.stdout.splitlines() if line.startswith("manager-2 "))
    assert row.split()[1:3] == ["manager", "down"]
    assert "node-unreachable" in status.stdout
    assert json.loads(told.stdout)["verdict"] == "degraded"


def test_a_blueprint_goes_its_way_through_each_manager_and_leaves_nothing(pair: Cluster):
    for node in pair.having("manager"):
        told = pair.manage("cluster", "sanity-check", "-i", pair.inventory, "--manager", node)
        assert f"{pair.address(node)} is sane" in told.stdout

    for kind in ("blueprints", "deployments"):
        assert ask(pair, "manager-1", f"/api/v3.1/{kind}")[1]["items"] == []


def test_what_a_killed_check_left_goes_with_the_next(pair: Cluster):
    words = ("cluster", "sanity-check", "-i", pair.inventory)
    killed_when(pair, words, "its deployment is worked on", lambda: of_checks(pair, "executions"))
    (left,) = of_checks(pair, "blueprints")

    told = pair.manage(*words).stdout

    assert f"delete what {left} left" in told
    assert "is sane" in told
    assert [of_checks(pair, kind) for kind in ("deployments", "blueprints")] == [[], []]
    wait_until(lambda: files_of_checks(pair) == "", "their files are gone", timeout_s=60)


def files_of_checks(cluster: Cluster) -> str:
    """Return the files of checks that managers have."""
    script = "find /opt/manager/resources -name 'sanity-*'"
    return "".join(cluster.sh(node, script) for node in cluster.having("manager"))


def of_checks(cluster: Cluster, kind: str) -> list[str]:
    """Return what checks have in the cluster; of executions, of which deployments they are."""
    time.sleep(PAUSE_S)
    _, found = ask(cluster, "manager-1", f"/api/v3.1/{kind}")
    names = [item["deployment_id" if kind == "executions" else "id"] for item in found["items"]]
    return [name for name in names if name and name.startswith("sanity-")]


def test_a_manager_that_does_not_work_is_not_sane(pair: Cluster):
    pair.sh("manager-2", "systemctl stop cloudify-restservice")
    words = ("cluster", "sanity-check", "-i", pair.inventory, "--manager", "manager-2")

    done = pair.manage(*words, check=False)
    own = pair.on("manager-2", "cfy_manager", "sanity-check", check=False)

    pair.sh("manager-2", "systemctl start cloudify-restservice")
    for told in (done, own):
        assert told.returncode == 7
        assert "Failed step: upload the blueprint" in told.stderr
    wait_until(
        lambda: ask(pair, "manager-2", STATUS)[0] == 200, "manager-2 answers again", timeout_s=60
    )
