"""Every recorded exchange, replayed in order: the same status, the same keys and types.

`deviations.yaml` lists what differs, each with its reason; one that no longer differs is removed.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from manager.rest import deployments
from manager.rest.app import create_app
from manager.settings import PathSettings
from tests.support.journey import ORDER, Broker, Journey
from tests.support.manager_app import Api
from tests.support.recording import differences, load, merged, route, shape_of

pytestmark = pytest.mark.integration

SAMPLES = sorted(
    load(Path(__file__).parents[1] / "samples" / "rest.jsonl"),
    key=lambda sample: ORDER.get(sample["number"], float(sample["number"])),
)
DEVIATIONS = yaml.safe_load((Path(__file__).parent / "deviations.yaml").read_text())


@pytest.fixture(scope="module")
def played(bootstrapped, postgres, tmp_path_factory):
    """Play the whole journey once; return what came of each exchange."""
    import uuid

    import psycopg

    name = f"replay_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "bootstrapped"')
    home = tmp_path_factory.mktemp("journey")
    own = replace(
        bootstrapped,
        database=replace(bootstrapped.database, name=name),
        paths=PathSettings(resources=home / "resources"),
    )
    broker = Broker()
    app = create_app(own, publisher=broker)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    journey = Journey(Api(app.test_client(), own), broker, home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deployments, "_CREATION_TIMEOUT_S", 0)  # the test is its own worker
        yield {sample["number"]: journey.play(sample) for sample in SAMPLES}
    app.extensions["manager"].database.close()


def name_of(sample):
    return f"{sample['number']} {route(sample)} {sample['status']}"


def found_in(sample, played):
    """Yield how a reply differs from the recorded one."""
    ours = played[sample["number"]]
    if ours.status != sample["status"]:
        yield f"status {ours.status}, not {sample['status']}: {ours.text[:200]}"
    elif sample["reply"] != "text":
        yield from differences(sample["reply"], ours.shape)


def reason(sample, difference):
    """Return why a difference is meant, or None."""
    for deviation in DEVIATIONS:
        if re.fullmatch(deviation["route"], route(sample)) and re.match(
            deviation["what"], difference
        ):
            deviation["met"] = True
            return deviation["why"]
    return None


@pytest.mark.parametrize("sample", SAMPLES, ids=name_of)
def test_a_reply_is_as_recorded(played, sample):
    unexplained = [found for found in found_in(sample, played) if reason(sample, found) is None]

    assert unexplained == []


def test_every_listed_deviation_is_met(played):
    for sample in SAMPLES:
        for found in found_in(sample, played):
            reason(sample, found)

    assert [entry for entry in DEVIATIONS if not entry.get("met")] == []


def test_nothing_is_answered_by_a_failure(played):
    assert [(number, one.text) for number, one in played.items() if one.status >= 500] == []


def test_the_comparison_finds_what_differs():
    recorded = merged(shape_of({"a": 1, "b": [{"c": "x"}]}), shape_of({"a": None, "b": []}))

    assert list(differences(recorded, shape_of({"a": None, "b": [{"c": "y"}]}))) == []
    assert list(differences(recorded, shape_of({"a": "x", "b": [{"d": 1}]}))) == [
        "a is str, not int|null",
        "b[].c is missing",
        "b[].d is unknown to the original",
    ]
