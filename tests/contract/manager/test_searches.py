"""Searches by filter rules and by constraints of the DSL."""

import pytest

from tests.support.deployments import add_blueprint, make_deployment, node

pytestmark = pytest.mark.integration


@pytest.fixture
def deployed(api, database):
    add_blueprint(database)
    add_blueprint(database, "other")
    make_deployment(api, database, "d1", labels=[{"env": "prod"}, {"team": "a"}])
    make_deployment(api, database, "d2", labels=[{"env": "test"}], blueprint_id="other")
    make_deployment(api, database, "plain", nodes=[node("web"), node("db", type="my.Db")])
    return api


def search(api, kind, query="", **body):
    return api.call("POST", f"/searches/{kind}{query}", json=body)


def rule(key, operator, *values, kind="label"):
    return {"type": kind, "key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ([rule("env", "any_of", "prod", "dev")], ["d1"]),
        ([rule("env", "not_any_of", "prod")], ["d2"]),
        ([rule("env", "is_not", "prod")], ["d2", "plain"]),
        ([rule("env", "is_null")], ["plain"]),
        ([rule("env", "is_not_null"), rule("team", "is_null")], ["d2"]),
        ([rule("blueprint_id", "any_of", "bp", kind="attribute")], ["d1", "plain"]),
        ([rule("display_name", "starts_with", "d", kind="attribute")], ["d1", "d2"]),
        ([rule("display_name", "not_contains", "a%", kind="attribute")], ["d1", "d2", "plain"]),
        ([rule("site_name", "is_not_empty", kind="attribute")], []),
        ([], ["d1", "d2", "plain"]),
    ],
)
def test_deployments_are_found_by_rules(deployed, rules, found):
    reply = search(deployed, "deployments", "?_include=id", filter_rules=rules)

    assert reply.status_code == 200, reply.text
    assert [one["id"] for one in reply.json["items"]] == found


@pytest.mark.parametrize(
    "rules",
    [
        {},
        ["x"],
        [rule("env", "contains", "x")],
        [rule("env", "any_of")],
        [rule("inputs", "any_of", "x", kind="attribute")],
        [rule("env", "any_of", "x", kind="else")],
        [{**rule("env", "any_of"), "values": [1]}],
    ],
)
def test_rules_that_make_no_sense_are_refused(deployed, rules):
    reply = search(deployed, "deployments", filter_rules=rules or {"a": 1})

    assert (reply.status_code, reply.json["error_code"]) == (400, "invalid_filter_rule")


def test_deployments_are_found_by_constraints(deployed):
    def found(**constraints):
        reply = search(deployed, "deployments", constraints=constraints)
        assert reply.status_code == 200, reply.text
        return [one["id"] for one in reply.json["items"]]

    assert found(name_pattern={"starts_with": "d"}) == ["d1", "d2"]
    assert found(labels=[{"env": "test"}]) == ["d2"]
    assert found(valid_values=["plain", "d1"]) == ["d1", "plain"]
    assert found(tenants=["default_tenant"], name_pattern={"equals_to": "d1"}) == ["d1"]


def test_other_resources_are_searched_alike(deployed):
    def ids(kind, query="", **body):
        reply = search(deployed, kind, query, **body)
        assert reply.status_code == 200, reply.text
        return [one["id"] for one in reply.json["items"]]

    wanted = [rule("id", "any_of", "web_d1_1", "nothing", kind="attribute")]
    assert ids("node-instances", filter_rules=wanted) == ["web_d1_1"]
    assert ids("nodes", "?deployment_id=plain", constraints={}) == ["web", "db"]
    assert ids("blueprints", constraints={"name_pattern": {"contains": "the"}}) == ["other"]
    assert search(deployed, "secrets", constraints={}).json["items"] == []


def test_parts_of_a_deployment_are_searched(deployed):
    of_plain = {"constraints": {"deployment_id": "plain"}}
    types = search(deployed, "node-types", **of_plain).json["items"]
    capabilities = search(deployed, "capabilities", **of_plain).json["items"]
    workflows = search(deployed, "workflows", filter_rules=[rule("env", "is_null")]).json["items"]

    assert [one["type"] for one in types] == ["cloudify.nodes.WebServer", "my.Db"]
    assert [one["deployment_id"] for one in capabilities] == ["plain"]
    assert list(capabilities[0]["capabilities"]) == ["ip"]
    assert search(deployed, "scaling-groups", **of_plain).json["items"] == []
    assert [one["name"] for one in workflows] == ["install", "uninstall"]
    assert search(deployed, "node-types", constraints={}).status_code == 400
