"""An install of fifty instances outlives the manager that runs it, the primary and a broker.

Each loss happens once, in the middle of an install; the tests look at what it left behind.
"""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import urllib3

from tests.journeys.modelling import upload_greeter
from tests.journeys.operator import Operator, unique
from tests.support.cfy_client import Cfy, Login
from tests.support.cluster import TOOL, Cluster, wait_until
from tests.support.losses import leader, new_token, sql

pytestmark = pytest.mark.cluster

INSTANCES = 50
OPERATIONS = {
    f"cloudify.interfaces.lifecycle.{name}" for name in ("create", "start")
}  # those that leave marks
MARKS = "/opt/manager/work/marks"
MIDDLE = 10  # operations have succeeded when the power goes
ENDED = ("terminated", "failed", "cancelled")
_LOST = (requests.RequestException, urllib3.exceptions.HTTPError)


@dataclass(frozen=True)
class Rest:
    """The managers behind the load balancer, asked until one answers."""

    cluster: Cluster
    token: str

    def ask(self, method: str, route: str, **options: Any) -> dict[str, Any]:
        def answer() -> dict[str, Any] | None:
            try:
                with self.cluster.network():
                    reply = requests.request(
                        method,
                        f"https://{self.cluster.document['load_balancer']['address']}"
                        f"/api/v3.1/{route}",
                        headers={
                            "Authentication-Token": self.token,
                            "Tenant": "default_tenant",
                        },
                        verify=str(self.cluster.ca),
                        timeout=10,
                        **options,
                    )
            except _LOST:
                return None
            if reply.status_code >= 500:
                return None
            reply.raise_for_status()
            found.update(reply.json())
            return found

        found: dict[str, Any] = {}
        wait_until(answer, f"{method} {route} is answered", timeout_s=90)
        return found


@dataclass
class Install:
    """An install during which a host lost its power."""

    lost: str
    before: int  # operations that had succeeded when it was lost, or a little later
    status: str
    instances: dict[str, str]  # id: state
    succeeded: Counter[tuple[str, str]]  # events, by instance and operation
    marks: Counter[tuple[str, str]]  # effects found on the managers
    workflow_events: Counter[str]


@pytest.fixture(scope="module")
def rest(cluster: Cluster) -> Rest:
    return Rest(cluster, new_token(cluster))


@pytest.fixture(scope="module")
def operator(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    login = Login(
        address=cluster.document["load_balancer"]["address"],
        port=443,
        ca=cluster.ca,
        username="admin",
        password=cluster.secrets["admin_password"],
    )
    beside = (*TOOL, "sandbox", "exec", cluster.name, "--")
    operator = Operator(Cfy(tmp_path_factory.mktemp("cfy"), login, beside).log_in())
    upload_greeter(operator, tmp_path_factory.mktemp("wagon"))
    return operator


@pytest.fixture(
    scope="module",
    params=[
        ("manager", "fleet"),
        ("manager", "resumable_fleet"),
        ("primary", "fleet"),
        ("broker", "fleet"),
    ],
    ids="-".join,
)
def install(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    rest: Rest,
    operator: Operator,
) -> Install:
    """An install of fifty instances, in the middle of which one host goes dark."""
    kind, blueprint = request.param
    marks = f"{MARKS}/{unique(kind)}"
    deployment = operator.deploy(
        operator.upload(blueprint), {"marks": marks, "instances": INSTANCES, "seconds": 5}
    )
    # asked before there is work: on a busy machine it would be over meanwhile
    primary, broker = leader(cluster), broker_of_operations(cluster)
    started = rest.ask(
        "POST", "executions", json={"deployment_id": deployment, "workflow_id": "install"}
    )
    execution = str(started["id"])
    wait_until(lambda: successes(rest, execution), "the first operations end", timeout_s=60)
    manager = owner_of(cluster, primary, execution)
    victim = {"manager": manager, "primary": primary, "broker": broker}[kind]
    wait_until(
        lambda: len(successes(rest, execution)) >= MIDDLE, "the middle of the work", timeout_s=60
    )
    cluster.fail("power-off", victim)
    before = len(successes(rest, execution))
    try:
        status = end_of(rest, execution)
        if request.param == ("manager", "fleet"):
            # 7.0.5's script runner is not resumable by itself: what the lost manager ran has failed
            assert status == "failed"
            rest.ask("POST", f"executions/{execution}", json={"action": "resume"})
            end_of(rest, execution)
    finally:
        cluster.heal(victim)
    wait_until(
        lambda: cluster.cluster_status()["status"] == "OK", "the cluster is whole", timeout_s=120
    )
    instances = rest.ask("GET", f"node-instances?deployment_id={deployment}")["items"]
    return Install(
        lost=victim,
        before=before,
        status=str(rest.ask("GET", f"executions/{execution}")["status"]),
        instances={item["id"]: item["state"] for item in instances},
        succeeded=Counter(successes(rest, execution)),
        marks=left_marks(cluster, marks),
        workflow_events=Counter(
            event["event_type"]
            for event in events(rest, execution)
            if event["event_type"].startswith("workflow_")
        ),
    )


def test_the_execution_ends_terminated(install):
    assert MIDDLE <= install.before <= INSTANCES * len(OPERATIONS) - MIDDLE, "not in the middle"
    assert install.status == "terminated"
    assert Counter(install.instances.values()) == {"started": INSTANCES}


def test_each_operation_has_happened(install):
    wanted = {(instance, name) for instance in install.instances for name in OPERATIONS}

    assert wanted - install.marks.keys() == set()


def test_no_operation_is_reported_twice_as_succeeded(install):
    assert {key: times for key, times in install.succeeded.items() if times > 1} == {}
    assert install.workflow_events["workflow_succeeded"] == 1


def test_every_operation_is_reported(install):
    wanted = {(instance, name) for instance in install.instances for name in OPERATIONS}

    assert wanted - install.succeeded.keys() == set()


def end_of(rest: Rest, execution: str) -> str:
    """Return the status in which the execution ends."""

    def ended() -> str:
        status = str(rest.ask("GET", f"executions/{execution}")["status"])
        return status if status in ENDED else ""

    wait_until(ended, "the execution ends", timeout_s=300)
    return ended()


def owner_of(cluster: Cluster, primary: str, execution: str) -> str:
    """Return the manager that runs a workflow."""
    owner = sql(cluster, primary, f"SELECT owner FROM executions WHERE id = '{execution}'")
    return owner.strip().partition("/")[0]


def broker_of_operations(cluster: Cluster) -> str:
    """Return the broker that leads the queue of the managers' operations."""
    node = cluster.having("queue")[0]
    words = ("rabbitmqctl", "-q", "--formatter", "json", "list_queues", "name", "leader")
    queues = json.loads(cluster.on(node, *words).stdout)
    found = {queue["name"]: queue["leader"] for queue in queues}
    return str(found["cloudify.management_operation"]).removeprefix("rabbit@")


def events(rest: Rest, execution: str) -> list[dict[str, str]]:
    route = f"events?execution_id={execution}&type=cloudify_event&_get_all_results=true"
    found: list[dict[str, str]] = rest.ask("GET", route)["items"]
    return found


def successes(rest: Rest, execution: str) -> list[tuple[str, str]]:
    """Return instance and operation of each success that was reported of a marking operation."""
    return [
        (event["node_instance_id"], event["operation"])
        for event in events(rest, execution)
        if event["event_type"] == "task_succeeded" and event["operation"] in OPERATIONS
    ]


def left_marks(cluster: Cluster, folder: str) -> Counter[tuple[str, str]]:
    """Return how often each operation of each instance took effect, on all managers together."""
    found: Counter[tuple[str, str]] = Counter()
    for manager in cluster.having("manager"):
        for line in cluster.sh(manager, f"ls -1 {folder} || true").splitlines():
            instance, operation, _ = line.split()
            found[instance, operation] += 1
    return found
