"""Replies have the shape that was recorded from the original: the same keys, the same types."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.manager_app import samples

SAMPLES = samples(Path(__file__).parents[1] / "samples" / "first_slice.jsonl")

pytestmark = pytest.mark.integration

# What differs on purpose, by path inside the reply.
DEVIATIONS = {
    # The recording had no systemd, so its units had nothing to tell; Cloudify 5.1 and later do.
    "services.Webserver.extra_info": "filled",
    "services.Manager Rest-Service.extra_info": "filled",
    # Other services run on our managers.
    "services.Management Worker": "absent",
    "services.Cloudify API": "absent",
    "services.Cloudify Execution Scheduler": "absent",
    "services.File Sync Service": "ours",
    # The names of nodes are data.
    "services.broker.nodes": "data",
    "services.db.nodes": "data",
    "services.manager.nodes": "data",
    "items[0].networks": "data",
    "items[0].params": "data",
    # Recorded before the node's file replication, first token use and first change of a setting.
    "items[0].fs_sync_node_id": "null or text",
    "items[0].last_used": "null or time",
    "items[0].schema": "data",
    "items[0].value": "data",
    "schema": "data",
}


def differences(recorded: Any, ours: Any, where: str = "") -> Iterator[str]:
    """Yield where `ours` has other keys or types than `recorded`; lists by their first item."""
    if where in DEVIATIONS:
        return
    if isinstance(recorded, dict) and isinstance(ours, dict):
        yield from key_differences(recorded, ours, where)
    elif isinstance(recorded, list) and isinstance(ours, list):
        for first, second in list(zip(recorded, ours, strict=False))[:1]:
            yield from differences(first, second, f"{where}[0]")
    elif type(recorded) is not type(ours):
        yield f"{where} is {type(ours).__name__}, not {type(recorded).__name__}"


def key_differences(recorded: dict[str, Any], ours: dict[str, Any], where: str) -> Iterator[str]:
    for key in recorded.keys() | ours.keys():
        inner = f"{where}.{key}" if where else key
        if inner in DEVIATIONS:
            continue
        if key not in ours:
            yield f"{inner} is missing"
        elif key not in recorded:
            yield f"{inner} is unknown to the original"
        else:
            yield from differences(recorded[key], ours[key], inner)


def replay(api, sample):
    """Send a recorded request; wrong credentials and tenants are part of some."""
    path = sample["path"].removeprefix("/api/v3.1")
    client = api
    if sample["status"] == 401:
        client = api.with_login("admin", "wrong")
    if sample["status"] == 403:
        client = api.with_login(*api.auth)
        client.headers = {"Tenant": "nope"}
        path = "/managers"  # the recorded resource comes with the second slice
    if sample["path"] == "/api/version":
        return api.client.get("/api/version", auth=api.auth)
    return client.call(sample["method"], path, query_string=sample["query"], json=sample["request"])


def name_of(sample):
    return f"{sample['method']} {sample['path']} {sample['status']}"


@pytest.mark.parametrize("sample", SAMPLES, ids=name_of)
def test_a_reply_has_the_recorded_status_and_shape(api, sample):
    api.call("POST", "/tokens", json={})

    if sample["status"] == 401:
        sample = {**sample, "path": "/api/v3.1/managers"}
    reply = replay(api, sample)

    assert reply.status_code == sample["status"], reply.text
    if isinstance(sample["response"], dict):
        assert list(differences(sample["response"], reply.json)) == []
    else:
        assert reply.content_type.startswith("text/html")


def test_an_error_has_the_recorded_words(api):
    recorded = next(sample for sample in SAMPLES if sample["status"] == 401)

    reply = api.with_login("admin", "wrong").call("GET", "/managers")

    assert reply.json == recorded["response"]


def test_a_node_of_the_cluster_status_has_the_recorded_shape(api):
    recorded = next(sample for sample in SAMPLES if sample["path"].endswith("/cluster-status"))
    (node,) = recorded["response"]["services"]["manager"]["nodes"].values()

    ours = api.get("/cluster-status")["services"]["manager"]["nodes"]["manager-1"]

    assert list(differences(node, ours)) == []


def test_the_comparison_finds_what_differs():
    found = set(differences({"a": 1, "b": [{"c": "x"}]}, {"b": [{"c": 1}], "d": None}))

    assert found == {
        "a is missing",
        "d is unknown to the original",
        "b[0].c is int, not str",
    }
