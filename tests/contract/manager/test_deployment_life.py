"""Deletion, dependencies, environments, sites, labels, visibility and summaries."""

import pytest
from sqlalchemy import select

from manager.services.execution_life import finish
from manager.services.execution_status import ExecutionStatus
from manager.storage.models import Deployment, Execution
from tests.support.deployments import add_blueprint, make_deployment, node

pytestmark = pytest.mark.integration

IDD = "/deployments/inter-deployment-dependencies"


@pytest.fixture
def deployed(api, database):
    add_blueprint(database)
    make_deployment(api, database)
    return api


def start(api, instance_id="web_d1_1"):
    body = {"version": 1, "state": "started"}
    assert api.call("PATCH", f"/node-instances/{instance_id}", json=body).status_code == 200


def run(database, deployment_id, status=ExecutionStatus.TERMINATED):
    """End the running execution of a deployment, as the worker does."""
    with database.session() as session:
        query = (
            select(Execution.key)
            .join(Deployment, Deployment.key == Execution.deployment_key)
            .where(Deployment.id == deployment_id, Execution.status == "pending")
        )
        finish(session, session.scalars(query).one(), status)


def refused(reply, code, status=400):
    assert (reply.status_code, reply.json["error_code"]) == (status, code), reply.text
    return reply.json["message"]


def test_deletion_is_a_workflow(deployed, database):
    reply = deployed.call("DELETE", "/deployments/d1?force=False&delete_logs=True")

    assert reply.status_code == 204, reply.text
    with database.session() as session:
        query = select(Execution).where(Execution.workflow_id == "delete_deployment_environment")
        execution = session.scalars(query).one()
        assert execution.parameters == {"delete_logs": True, "force": False, "recursive": False}
    assert deployed.get("/deployments/d1")["deployment_status"] == "in_progress"

    run(database, "d1")

    for path in ("/deployments/d1", "/node-instances/web_d1_1"):
        assert deployed.call("GET", path).status_code == 404


def test_a_deployment_with_live_nodes_stays_unless_forced(deployed):
    start(deployed)

    message = refused(deployed.call("DELETE", "/deployments/d1"), "dependent_exists_error")

    assert message.endswith("Live nodes ids: web_d1_1")
    assert deployed.call("DELETE", "/deployments/d1?force=True").status_code == 204


def test_a_deployment_with_a_running_execution_stays_even_if_forced(deployed):
    assert deployed.call("DELETE", "/deployments/d1").status_code == 204

    refused(deployed.call("DELETE", "/deployments/d1?force=True"), "dependent_exists_error")


def test_what_others_depend_on_stays(deployed, database):
    make_deployment(deployed, database, "user")
    body = {
        "dependency_creator": "component.part_1",
        "source_deployment": "user",
        "target_deployment": "d1",
    }
    made = deployed.call("PUT", IDD, json=body)
    assert made.status_code == 200, made.text
    assert made.json["source_deployment_id"] == "user"
    assert made.json["target_deployment_id"] == "d1"

    message = refused(deployed.call("DELETE", "/deployments/d1"), "dependent_exists_error")
    assert "Deployment `user` contains component `part_1`" in message

    assert deployed.call("DELETE", IDD, json=body).status_code == 204
    refused(deployed.call("DELETE", IDD, json=body), "not_found_error", 404)
    assert deployed.call("DELETE", "/deployments/d1").status_code == 204


def test_dependencies_are_replaced_as_a_whole(deployed, database):
    make_deployment(deployed, database, "user")
    first = {"dependency_creator": "a", "target_deployment": "d1"}
    later = {"dependency_creator": "b", "target_deployment": "not-yet"}
    function = {"dependency_creator": "c", "target_deployment_func": {"get_input": "x"}}
    added = deployed.call(
        "POST",
        IDD,
        json={"source_deployment_id": "user", "inter_deployment_dependencies": [first, function]},
    )
    assert len(added.json["items"]) == 2

    replaced = deployed.call(
        "PUT",
        "/deployments/user/inter-deployment-dependencies",
        json={"inter_deployment_dependencies": [later]},
    )

    assert replaced.status_code == 200
    (left,) = deployed.get(f"{IDD}?source_deployment_id=user")["items"]
    assert (left["dependency_creator"], left["target_deployment_id"]) == ("b", None)


def test_dependencies_make_no_cycle(deployed, database):
    make_deployment(deployed, database, "user")
    body = {"dependency_creator": "a", "source_deployment": "user", "target_deployment": "d1"}
    deployed.call("PUT", IDD, json=body)

    back = {**body, "source_deployment": "d1", "target_deployment": "user"}
    own = {**body, "source_deployment": "d1", "target_deployment": "d1"}

    refused(deployed.call("PUT", IDD, json=back), "conflict_error", 409)
    refused(
        deployed.call("PUT", IDD, json={**back, "target_deployment": "?"}), "not_found_error", 404
    )
    assert deployed.call("PUT", IDD, json=own).status_code == 200, "it may read its own capability"
    assert deployed.call("DELETE", "/deployments/user").status_code == 204


def test_an_environment_knows_what_is_in_it(deployed, database):
    labels = [{"csys-obj-parent": "d1"}]
    make_deployment(deployed, database, "service", labels=labels)
    environment = [*labels, {"csys-obj-type": "environment"}, {"csys-env-type": "aws"}]
    make_deployment(deployed, database, "inner", labels=environment)
    make_deployment(deployed, database, "deep", labels=[{"csys-obj-parent": "inner"}])

    outer = deployed.get("/deployments/d1")
    direct = deployed.get("/deployments/d1?all_sub_deployments=False")

    assert (outer["sub_services_count"], outer["sub_environments_count"]) == (2, 1)
    assert (direct["sub_services_count"], direct["sub_environments_count"]) == (1, 1)
    assert outer["has_sub_deployments"] is True
    assert outer["sub_services_status"] == "requires_attention"
    assert deployed.get("/deployments/inner")["environment_type"] == "aws"
    assert deployed.call("DELETE", "/deployments/deep").status_code == 204
    run(database, "deep")
    assert deployed.get("/deployments/d1")["sub_services_count"] == 1
    assert deployed.get("/deployments/inner")["sub_services_status"] is None
    refused(deployed.call("DELETE", "/deployments/d1"), "dependent_exists_error")


def test_a_statuss_change_reaches_the_environments_above(deployed, database):
    make_deployment(deployed, database, "service", labels=[{"csys-obj-parent": "d1"}])
    start(deployed)
    start(deployed, "web_service_1")

    for name in ("d1", "service"):
        run_again(database, name)

    outer = deployed.get("/deployments/d1")
    assert (outer["deployment_status"], outer["sub_services_status"]) == ("good", "good")


def run_again(database, deployment_id):
    """Let a deployment's latest execution be one that has just ended well."""
    with database.session() as session:
        deployment = session.scalars(select(Deployment).where(Deployment.id == deployment_id)).one()
        execution = session.get_one(Execution, deployment.create_execution_key)
        execution.status = ExecutionStatus.STARTED
        session.flush()
        finish(session, execution.key, ExecutionStatus.TERMINATED)


@pytest.mark.parametrize(
    ("labels", "code", "status"),
    [
        ([{"csys-obj-parent": "nothing"}], "deployment_parent_not_found_error", 404),
        ([{"csys-obj-parent": "d1"}], "conflict_error", 409),
        ([{"csys-obj-parent": "child"}], "conflict_error", 409),
        ([{"a": 5}], "bad_parameters_error", 400),
        ({"a": "b"}, "bad_parameters_error", 400),
    ],
)
def test_labels_that_cannot_be_are_refused(deployed, database, labels, code, status):
    make_deployment(deployed, database, "child", labels=[{"csys-obj-parent": "d1"}])

    refused(deployed.call("PATCH", "/deployments/d1", json={"labels": labels}), code, status)


def test_labels_are_replaced_and_listed(deployed):
    first = [{"Env": "x"}, {"env": ["y", "z"]}, {"team": "blue"}]
    deployed.call("PATCH", "/deployments/d1", json={"labels": first})
    kept = deployed.get("/deployments/d1?_include=labels")["labels"]

    reply = deployed.call("PATCH", "/deployments/d1", json={"labels": [{"env": "y"}, {"a": "b"}]})

    assert [(one["key"], one["value"]) for one in reply.json["labels"]] == [
        ("env", "y"),
        ("a", "b"),
    ]
    assert reply.json["labels"][0] == next(one for one in kept if one["value"] == "y")
    assert deployed.get("/labels/deployments")["items"] == ["a", "env"]
    assert deployed.get("/labels/deployments/env")["items"] == ["y"]
    assert "csys-obj-parent" in deployed.get("/labels/deployments?_reserved=true")["items"]
    assert deployed.get("/labels/blueprints")["items"] == []


def test_visibility_only_widens_and_never_beyond_the_blueprint(deployed, database):
    def set_visibility(visibility, name="d1"):
        path = f"/deployments/{name}/set-visibility"
        return deployed.call("PATCH", path, json={"visibility": visibility})

    add_blueprint(database, "shared", visibility="global")
    make_deployment(deployed, database, "wide", blueprint_id="shared")

    refused(set_visibility("global"), "illegal_action_error")
    refused(set_visibility("private"), "illegal_action_error")
    refused(set_visibility("nobody"), "bad_parameters_error")
    widened = set_visibility("global", "wide")

    assert (widened.status_code, widened.json["visibility"]) == (200, "global")
    assert widened.json["resource_availability"] == "global"
    assert deployed.get("/node-instances/web_wide_1")["visibility"] == "global"


def test_a_deployment_is_at_a_site(deployed):
    made = deployed.call("PUT", "/sites/london", json={"location": "51.5, -0.12"})
    assert made.status_code == 200, made.text
    assert (made.json["name"], made.json["location"]) == ("london", "51.5, -0.12")

    at = deployed.call("POST", "/deployments/d1/set-site", json={"site_name": "london"})
    renamed = deployed.call("POST", "/sites/london", json={"new_name": "paris"})
    moved = deployed.get("/deployments/d1?_include=site_name")
    off = deployed.call("POST", "/deployments/d1/set-site", json={"detach_site": True})

    assert (at.json["site_name"], moved["site_name"]) == ("london", "paris")
    assert renamed.json["name"] == "paris"
    assert off.json["site_name"] is None
    refused(deployed.call("POST", "/deployments/d1/set-site", json={}), "bad_parameters_error")
    refused(deployed.call("PUT", "/sites/paris", json={}), "conflict_error", 409)
    refused(deployed.call("PUT", "/sites/x", json={"location": "99,0"}), "bad_parameters_error")
    assert [site["name"] for site in deployed.get("/sites")["items"]] == ["paris"]
    assert deployed.call("DELETE", "/sites/paris").status_code == 204
    assert deployed.call("GET", "/sites/paris").status_code == 404


def test_summaries_count(deployed, database):
    make_deployment(deployed, database, "d2", nodes=[node("a"), node("b")])
    start(deployed, "a_d2_1")

    by_blueprint = deployed.get("/summary/deployments?_target_field=blueprint_id")
    by_state = deployed.get(
        "/summary/node_instances?_target_field=deployment_id&_sub_field=state&deployment_id=d2"
    )

    assert by_blueprint["items"] == [{"blueprint_id": "bp", "deployments": 2}]
    assert by_blueprint["metadata"]["pagination"]["total"] == 1
    (item,) = by_state["items"]
    assert (item["deployment_id"], item["node_instances"]) == ("d2", 2)
    assert item["by state"] == [
        {"state": "started", "node_instances": 1},
        {"state": "uninitialized", "node_instances": 1},
    ]
    assert deployed.get("/summary/executions?_target_field=status")["items"] == [
        {"status": "terminated", "executions": 2}
    ]
    assert deployed.get("/summary/blueprints?_target_field=tenant_name")["items"] == [
        {"tenant_name": "default_tenant", "blueprints": 1}
    ]
    refused(deployed.call("GET", "/summary/nodes?_target_field=type"), "bad_parameters_error")


def test_workflows_of_deployments_are_listed(deployed):
    reply = deployed.get("/workflows?id=d1")

    assert [(one["name"], one["is_available"]) for one in reply["items"]] == [
        ("install", True),
        ("uninstall", False),
    ]
    assert deployed.get("/workflows?id=nothing")["items"] == []
