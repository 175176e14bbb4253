"""A blueprint goes its whole way through a cluster; whatever fails, nothing of it stays."""

import os
import re
from dataclasses import dataclass, field

import pytest

from installer.actions import sanity
from installer.actions.rest import unhealthy
from installer.actions.sanity import Sanity
from installer.errors import NotHealthy
from installer.lock import make_owned

NAME = "sanity-0"
STEPS = [
    "upload the blueprint",
    "make the deployment",
    "install it",
    "read what its script said",
    "uninstall it",
    "delete deployment and blueprint",
]


@dataclass
class Api:
    """What a cluster keeps, and which of its answers are bad."""

    host: str = "manager"
    broken: str = ""  # a request that fails
    failing: str = ""  # a workflow that fails
    said: str = NAME
    kept: set[str] = field(default_factory=set)

    def call(self, method, path, _body=None):
        if self.broken and re.match(self.broken, f"{method} {path}"):
            raise unhealthy(self.host, "status 502")
        kind = path.split("?")[0].split("/")[1]
        match method:
            case "PUT":
                self.kept.add(kind)
            case "DELETE":
                self.kept.discard(kind)
            case "POST":
                return {"id": _body["workflow_id"]}
            case "GET":
                return self._seen(kind, path)
        return None

    def _seen(self, kind, path):
        if "?deployment_id" in path:
            return {"items": [{"id": "create"}]}
        if kind == "executions":
            is_bad = self.failing and f"/{self.failing}?" in path
            return {"status": "failed" if is_bad else "terminated", "error": "broken script"}
        if path.endswith("/outputs"):
            return {"outputs": {"said": self.said}}
        if "?id=" in path:
            name = re.search(r"id=([\w-]+)", path)[1]
            return {"items": [{"id": name}] if kind in self.kept else []}
        return {"state": "uploaded", "error": None}


@pytest.fixture
def told():
    return []


@pytest.fixture
def run(told):
    def tell(step, _):
        told.append(step)

    return lambda api: Sanity(rest=api, name=NAME, tell=tell, forget=lambda: None).run()


def test_every_step_is_told_and_nothing_stays(run, told):
    api = Api()

    run(api)

    assert told == STEPS
    assert api.kept == set()


@pytest.mark.parametrize(
    ("api", "step"),
    [
        (Api(broken="PUT /blueprints"), "upload the blueprint"),
        (Api(broken="PUT /deployments"), "make the deployment"),
        (Api(failing="create"), "make the deployment"),
        (Api(failing="install"), "install it"),
        (Api(said="something else"), "read what its script said"),
        (Api(failing="uninstall"), "uninstall it"),
    ],
)
def test_the_step_that_fails_is_named_and_nothing_stays(run, api, step):
    with pytest.raises(NotHealthy) as caught:
        run(api)

    assert any(note.startswith(f"Failed step: {step},") for note in caught.value.__notes__)
    assert api.kept == set()


def test_what_cannot_be_deleted_is_told_with_the_failure(run):
    api = Api(failing="install", broken="DELETE /deployments")

    with pytest.raises(NotHealthy, match="broken script") as caught:
        run(api)

    assert any(NAME in note and "502" in note for note in caught.value.__notes__)


def test_an_end_that_does_not_come_is_told_with_what_was_seen_last(run, monkeypatch):
    monkeypatch.setattr(sanity, "_STEP_S", 0)
    monkeypatch.setattr(sanity, "_ASK_AGAIN_S", 0)
    api = Api()
    api.call = lambda *_: {"state": "parsing", "items": []}

    with pytest.raises(NotHealthy, match="parsing"):
        run(api)


def check(api, begun, told):
    return sanity._try(api, begun, lambda step, _: told.append(step))


@dataclass
class Echo(Api):
    """A cluster whose script says the word that it is given."""

    def _seen(self, kind, path):
        if path.endswith("/outputs"):
            self.said = path.split("/")[2]
        return super()._seen(kind, path)


def test_what_a_killed_check_left_is_taken_away_by_the_next(tmp_path, told):
    api = Echo(kept={"deployments", "blueprints"})
    begun = tmp_path / "sanity"
    begun.mkdir()
    (begun / "sanity-killed").touch()

    check(api, begun, told)

    assert told == ["delete what sanity-killed left", *STEPS]
    assert (api.kept, list(begun.iterdir())) == (set(), [])


def test_a_check_that_runs_is_left_alone_by_another(tmp_path, told):
    begun = tmp_path / "sanity"
    begun.mkdir()
    running = make_owned(begun / "sanity-running")

    check(Echo(), begun, told)

    os.close(running)
    assert told == STEPS
    assert [path.name for path in begun.iterdir()] == ["sanity-running"]


def test_what_could_not_be_deleted_is_tried_again_by_the_next(tmp_path, told):
    api = Echo(failing="install", broken="DELETE /deployments")
    with pytest.raises(NotHealthy, match="broken script"):
        check(api, tmp_path / "sanity", told)
    assert api.kept

    api.failing = api.broken = ""
    check(api, tmp_path / "sanity", told)

    assert (api.kept, list((tmp_path / "sanity").iterdir())) == (set(), [])
