"""Deployment modifications: what the workflows `scale` and `heal` build on."""

import pytest

from tests.support.deployments import add_blueprint, make_deployment, node, relationship

pytestmark = pytest.mark.integration

CONTAINED_IN = "cloudify.relationships.contained_in"


@pytest.fixture
def deployed(api, database):
    """A web server on a virtual machine; the pair is a scaling group."""
    add_blueprint(database)
    contained = relationship("vm", CONTAINED_IN)
    contained["type_hierarchy"] = ["cloudify.relationships.depends_on", CONTAINED_IN]
    web = node("web", relationships=[contained], host_id="vm")
    make_deployment(api, database, nodes=[node("vm", host_id="vm"), web, node("db")])
    return api


def start(api, nodes, **context):
    body = {"deployment_id": "d1", "nodes": nodes, "context": context}
    return api.call("POST", "/deployment-modifications", json=body)


def instances(api, node_id):
    return api.get(f"/node-instances?deployment_id=d1&node_id={node_id}")["items"]


def planned(api, node_id):
    (found,) = api.get(f"/nodes?deployment_id=d1&id={node_id}")["items"]
    return found["planned_number_of_instances"], found["number_of_instances"]


def test_scaling_out_adds_instances_and_what_they_contain(deployed):
    started = start(deployed, {"vm": {"instances": 3}}, workflow_id="scale")

    assert started.status_code == 201, started.text
    added = started.json["node_instances"]["added_and_related"]
    new = [one for one in added if one.get("modification") == "added"]
    assert sorted(one["node_id"] for one in new) == ["vm", "vm", "web", "web"]
    assert len(instances(deployed, "web")) == 3
    assert [one["index"] for one in instances(deployed, "vm")] == [1, 2, 3]
    assert planned(deployed, "vm") == (3, 1)
    assert started.json["context"] == {"workflow_id": "scale"}

    finished = deployed.call("POST", f"/deployment-modifications/{started.json['id']}/finish")

    assert (finished.status_code, finished.json["status"]) == (200, "finished")
    assert planned(deployed, "vm") == (3, 3)
    assert finished.json["ended_at"] is not None


def test_scaling_in_removes_instances_when_it_is_finished(deployed):
    started = start(deployed, {"db": {"instances": 0}}).json
    assert len(instances(deployed, "db")) == 1

    deployed.call("POST", f"/deployment-modifications/{started['id']}/finish")

    assert instances(deployed, "db") == []
    assert planned(deployed, "db") == (0, 0)


def test_rolling_back_brings_the_instances_back(deployed):
    before = instances(deployed, "web") + instances(deployed, "vm")
    started = start(deployed, {"vm": {"instances": 2}}).json

    reply = deployed.call("POST", f"/deployment-modifications/{started['id']}/rollback")

    assert (reply.status_code, reply.json["status"]) == (200, "rolledback")
    assert instances(deployed, "web") + instances(deployed, "vm") == before
    assert len(reply.json["node_instances"]["before_rollback"]) == 5
    assert planned(deployed, "vm") == (1, 1)


def test_a_scaling_group_is_scaled_as_a_whole(api, database):
    add_blueprint(database)
    properties = {
        "min_instances": 0,
        "max_instances": -1,
        "default_instances": 1,
        "current_instances": 1,
        "planned_instances": 1,
    }
    group = {"members": ["a", "b"], "properties": properties}
    nodes = [node("a"), node("b")]
    make_deployment(api, database, nodes=nodes, scaling_groups={"pair": group})
    for instance in ("a_d1_1", "b_d1_1"):
        api.call("DELETE", f"/node-instances/{instance}")
    membership = [{"name": "pair", "id": "pair_1"}]
    body = [
        {"id": f"{name}_1", "node_id": name, "scaling_groups": membership} for name in ("a", "b")
    ]
    api.call("POST", "/node-instances", json={"deployment_id": "d1", "node_instances": body})

    started = start(api, {"pair": {"instances": 2}})

    assert started.status_code == 201, started.text
    assert (len(instances(api, "a")), len(instances(api, "b"))) == (2, 2)
    groups = api.get("/deployments/d1?_include=scaling_groups")["scaling_groups"]
    assert groups["pair"]["properties"]["planned_instances"] == 2
    (found,) = api.get("/nodes?id=a")["items"]
    assert found["actual_planned_number_of_instances"] == 2


def test_one_modification_at_a_time_and_each_ends_once(deployed):
    first = start(deployed, {"db": {"instances": 2}}).json

    second = start(deployed, {"db": {"instances": 3}})
    path = f"/deployment-modifications/{first['id']}"
    ended = deployed.call("POST", f"{path}/finish")
    again = deployed.call("POST", f"{path}/rollback")

    assert (second.status_code, second.json["error_code"]) == (
        400,
        "existing_started_deployment_modification_error",
    )
    assert ended.status_code == 200
    assert (again.status_code, again.json["error_code"]) == (
        400,
        "deployment_modification_already_ended_error",
    )
    assert deployed.get(path)["status"] == "finished"
    listed = deployed.get("/deployment-modifications?deployment_id=d1&status=finished")
    assert [one["id"] for one in listed["items"]] == [first["id"]]


@pytest.mark.parametrize(
    "nodes",
    [
        {"nothing": {"instances": 1}},
        {"db": {"instances": -1}},
        {"db": {"instances": "2"}},
        {"db": {"instances": 10**9}},
        {"db": 2},
        {"db": {"instances": 0, "removed_ids_include_hint": [{}]}},
    ],
)
def test_a_modification_that_cannot_be_is_refused(deployed, nodes):
    reply = start(deployed, nodes)

    assert (reply.status_code, reply.json["error_code"]) == (400, "bad_parameters_error")
