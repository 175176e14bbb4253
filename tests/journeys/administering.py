"""Journeys: secrets, users, tenants, tokens, settings, and looking at what there is."""

import json

import pytest

from tests.journeys.operator import BLUEPRINTS, COMPLETED, Operator, messages, unique


def test_a_secret_is_made_read_changed_and_deleted(operator: Operator):
    key = unique("secret")

    operator.cfy.run("secrets", "create", key, "-s", "first")
    assert operator.cfy.json("secrets", "get", key)["value"] == "first"
    operator.cfy.run("secrets", "update", key, "-s", "second")
    assert operator.cfy.json("secrets", "get", key)["value"] == "second"
    assert key in {each["key"] for each in operator.cfy.json("secrets", "list")}
    assert "already exists" in operator.refusal("secrets", "create", key, "-s", "third")
    operator.cfy.run("secrets", "delete", key)

    assert "not found" in operator.cfy.run("secrets", "get", key)  # the client's exit code is 0


def test_a_hidden_secret_is_shown_to_its_creator_only(operator: Operator, tmp_path, member):
    key = unique("hidden")
    operator.cfy.run("secrets", "create", key, "-s", "hush", "--hidden-value")

    assert operator.cfy.json("secrets", "get", key)["value"] == "hush"
    assert member.cfy.json("secrets", "get", key)["value"].strip("*") == ""


@pytest.fixture(scope="module")
def member(operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """Make a user of the tenant who may do what users may."""
    name = unique("member")
    operator.cfy.run("users", "create", name, "-p", "member-password", "-r", "default")
    operator.cfy.run("tenants", "add-user", name, "-t", "default_tenant", "-r", "user")
    folder = tmp_path_factory.mktemp("member")
    return operator.logged_in_as(folder, username=name, password="member-password")


def test_a_user_works_and_does_not_administer(member: Operator):
    deployment = member.install("hello")

    assert member.outputs(deployment) == {"said": "hello world"}
    assert "permi" in member.refusal("users", "list")
    assert "permi" in member.refusal("tenants", "create", unique("tenant"))


def test_tenants_do_not_see_each_other(operator: Operator, tmp_path):
    tenant = unique("tenant")
    operator.cfy.run("tenants", "create", tenant)
    elsewhere = operator.logged_in_as(tmp_path, tenant=tenant)
    here = operator.upload("hello")

    there = elsewhere.upload("hello")

    assert [each["id"] for each in elsewhere.cfy.json("blueprints", "list")] == [there]
    assert there not in {each["id"] for each in operator.cfy.json("blueprints", "list")}
    assert "not found" in elsewhere.refusal("blueprints", "get", here)
    deployment = elsewhere.deploy(there)
    elsewhere.execute(deployment, "install")
    assert elsewhere.outputs(deployment) == {"said": "hello world"}


def test_a_private_blueprint_is_its_owners(operator: Operator, member: Operator):
    mine = unique("private")
    path = BLUEPRINTS / "hello" / "blueprint.yaml"
    member.cfy.run("blueprints", "upload", path, "-b", mine, "--visibility", "private")

    other = operator.cfy.json("blueprints", "get", mine)  # an administrator sees everything
    assert other["visibility"] == "private"
    member.cfy.run("blueprints", "set-visibility", mine, "-l", "tenant")
    assert operator.cfy.json("blueprints", "get", mine)["visibility"] == "tenant"


def test_a_token_is_made_listed_and_deleted(operator: Operator):
    made = operator.cfy.json("tokens", "create", "--description", "journey")
    token = made if isinstance(made, dict) else json.loads(made)

    assert token["value"].startswith("ctok-")
    assert token["id"] in {each["id"] for each in operator.cfy.json("tokens", "list")}
    operator.cfy.run("tokens", "delete", token["id"])
    assert token["id"] not in {each["id"] for each in operator.cfy.json("tokens", "list")}


def test_settings_are_listed_and_changed(operator: Operator):
    def value() -> int:
        shown = operator.cfy.json("config", "list")
        return int(
            next(each["value"] for each in shown if each["name"] == "max_concurrent_workflows")
        )

    before = value()
    operator.cfy.run("config", "update", f"max_concurrent_workflows={before + 1}")
    try:
        assert value() == before + 1
    finally:
        operator.cfy.run("config", "update", f"max_concurrent_workflows={before}")


def test_what_there_is_can_be_looked_at(operator: Operator):
    deployment = operator.install("hello")
    execution = operator.last(deployment, "install")

    shown = operator.cfy.json("executions", "get", execution["id"])
    assert shown["deployment_id"] == deployment
    assert shown["status"] == COMPLETED
    (node,) = operator.cfy.json("nodes", "list", "-d", deployment)
    assert (node["id"], node["type"]) == ("hello", "cloudify.nodes.Root")
    assert operator.cfy.json("nodes", "get", "hello", "-d", deployment)["id"] == "hello"
    (listed,) = [d for d in operator.cfy.json("deployments", "list") if d["id"] == deployment]
    assert listed["installation_status"] == "active"
    assert listed["deployment_status"] == "good"
    workflows = {each["name"] for each in operator.cfy.json("workflows", "list", "-d", deployment)}
    assert {"install", "uninstall", "scale", "heal", "execute_operation"} <= workflows
    assert operator.cfy.json("deployments", "inputs", deployment) == {"who": "world"}
    without_logs = operator.cfy.json_lines("events", "list", "--no-logs", execution["id"])
    assert "greeting world" not in messages(without_logs)


def test_a_blueprint_in_use_is_kept_and_an_unused_one_goes(operator: Operator, tmp_path):
    blueprint = operator.upload("hello")
    deployment = operator.deploy(blueprint)

    assert deployment in operator.refusal("blueprints", "delete", blueprint)
    operator.cfy.run("blueprints", "download", blueprint, "-o", tmp_path / "hello.archive")
    assert (tmp_path / "hello.archive").stat().st_size > 0
    operator.remove(deployment)
    operator.cfy.run("blueprints", "delete", blueprint)

    assert "not found" in operator.refusal("blueprints", "get", blueprint)


def test_a_deployment_with_live_nodes_is_kept(operator: Operator):
    deployment = operator.install("hello")

    refusal = operator.refusal("deployments", "delete", deployment)

    assert "live nodes" in refusal or "node instances" in refusal.lower()


def test_a_deployment_of_an_absent_blueprint_is_refused(operator: Operator):
    refusal = operator.refusal("deployments", "create", unique("none"), "-b", "absent")

    assert "absent" in refusal
