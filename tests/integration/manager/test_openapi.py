"""The API's description fits the API."""

import re

import pytest

from manager.rest.request_bodies import request_bodies
from manager.services.permissions import PERMISSIONS

pytestmark = pytest.mark.integration


@pytest.fixture
def described(api):
    return api.get("/openapi.json")


def operations(described):
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_every_route_tells_its_permission_and_what_it_does(described):
    found = list(operations(described))

    assert len(found) > 120
    for method, path, operation in found:
        assert operation["summary"], (method, path)
        permission = operation["x-permission"]
        assert permission is None or permission in PERMISSIONS, (method, path, permission)


# Their permission depends on what is asked, or is demanded before the body is read.
DECIDED_INSIDE = {
    ("PUT", "/blueprints/{blueprint_id}"),
    ("PUT", "/blueprints/{blueprint_id}/validate"),
    ("PUT", "/cluster-status/{node_type}/{node_id}"),
    ("PUT", "/deployments/{deployment_id}"),
    ("POST", "/operations"),
    ("PATCH", "/operations/{operation_id}"),
    ("GET", "/ok"),
    ("GET", "/permissions"),
    ("GET", "/permissions/{role}"),
    ("PUT", "/permissions/{role}/{name}"),
    ("DELETE", "/permissions/{role}/{name}"),
    ("GET", "/summary/{kind}"),
}


def test_only_these_routes_decide_on_a_permission_themselves(described):
    free = {
        (m, path) for m, path, operation in operations(described) if not operation["x-permission"]
    }

    assert free == DECIDED_INSIDE


def test_every_described_body_is_of_a_route(described):
    routes = {(method, re.sub("{[^}]*}", "{}", path)) for method, path, _ in operations(described)}

    assert request_bodies().keys() <= routes


def test_a_list_tells_its_filters_and_fields(described):
    secrets = described["paths"]["/secrets"]["get"]

    assert {"_size", "_sort", "key", "created_by"} <= {p["name"] for p in secrets["parameters"]}
    envelope = secrets["responses"]["2XX"]["content"]["application/json"]["schema"]
    assert "is_hidden_value" in envelope["properties"]["items"]["items"]["properties"]


def test_operation_ids_are_unique(described):
    ids = [operation["operationId"] for _, _, operation in operations(described)]

    assert len(ids) == len(set(ids))
