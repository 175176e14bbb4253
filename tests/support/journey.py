"""Replay recorded exchanges in their order against a manager, workers' calls included.

Ids that the service makes up differ from the recorded ones: each reply teaches which of ours
stands for which of theirs. What the recording left out, because it was like something before,
is made up for by `before`: what has to be so when an exchange comes.
"""

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from werkzeug.test import TestResponse

from manager.dsl.parse import parse_blueprint
from tests.support.manager_app import Api
from tests.support.plugin_archive import plugin_zip
from tests.support.recording import Exchange, shape_of

BLUEPRINT = """
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
inputs:
  greeting: {default: hello}
  webserver_port: {default: '8000'}
node_templates:
  app: {type: cloudify.nodes.Root}
outputs:
  said: {value: {get_attribute: [app, said]}}
"""


_OF_PLAN = {  # what creating an environment takes from the plan
    "workflows": "workflows",
    "inputs": "inputs",
    "outputs": "outputs",
    "capabilities": "capabilities",
    "groups": "groups",
    "scaling_groups": "scaling_groups",
    "policy_types": "policy_types",
    "policy_triggers": "policy_triggers",
    "resource_tags": "resource_tags",
}
PLUGIN_YAML = b"plugins: {tplug: {executor: central_deployment_agent}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of an exchange."""

    status: int
    shape: Any
    text: str


class Broker:
    """Keeps the tokens that workers would have got."""

    def __init__(self) -> None:
        self.tokens: dict[str, str] = {}
        self.latest = ""

    def publish(self, _exchange: str, _key: str, body: Any, **_options: Any) -> None:
        """Note the token of an execution."""
        kwargs = body.get("cloudify_task", {}).get("kwargs", {})
        if context := kwargs.get("__cloudify_context"):
            self.tokens[context["execution_id"]] = context["execution_token"]
            self.latest = context["execution_id"]


@dataclass
class Journey:
    """A client's and its workers' way through the API."""

    api: Api
    broker: Broker
    home: Path
    known: dict[str, str] = field(default_factory=dict)

    def play(self, exchange: Exchange) -> Played:
        """Send what was recorded, in our ids, and learn from the reply."""
        number, path = exchange["number"], self._ours(exchange["path"])
        for prepare in _BEFORE.get(number, ()):
            prepare(self)
        client = self._client(exchange, path)
        path = self._ours(exchange["path"])
        options = self._body(exchange)
        reply = client.client.open(
            path,
            method=exchange["method"],
            query_string=self._query(exchange),
            auth=client.auth,
            headers=client.headers,
            **options,
        )
        document = reply.json if reply.is_json else None
        self._learn(exchange["ids"], document)
        played = Played(
            status=reply.status_code,
            shape=shape_of(document) if reply.is_json else "text",
            text=reply.data.decode(errors="replace")[:300],
        )
        reply.close()
        return played

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Send something that was not recorded here; it must succeed."""
        reply: TestResponse = self.api.call(method, path, **options)
        assert reply.status_code < 300, (method, path, reply.text)
        return reply.json if reply.is_json else None

    def as_worker(self, method: str, path: str, **options: Any) -> Any:
        """Send something as the worker of the latest execution."""
        headers = {"Tenant": "default_tenant", "Execution-Token": self._token(self.broker.latest)}
        reply = self.api.client.open(f"/api/v3.1{path}", method=method, headers=headers, **options)
        assert reply.status_code < 300, (method, path, reply.text)
        return reply.json if reply.is_json else None

    def upload(self, blueprint_id: str) -> None:
        """Upload a blueprint."""
        self.call("PUT", f"/blueprints/{blueprint_id}", **_blueprint_form())

    def finish_upload(self, blueprint_id: str) -> None:
        """Do what the worker does after an upload."""
        self.as_worker("PATCH", f"/blueprints/{blueprint_id}", json=self.plan())
        self.finish_execution()

    def deploy(self, deployment_id: str, instance_id: str | None = None) -> None:
        """Upload, deploy and do what the worker does for that."""
        self.upload(deployment_id)
        self.finish_upload(deployment_id)
        body = {"blueprint_id": deployment_id, "inputs": {}}
        self.call("PUT", f"/deployments/{deployment_id}?async_create=true", json=body)
        self.environment(deployment_id, instance_id)

    def environment(self, deployment_id: str, instance_id: str | None = None) -> None:
        """Do what the worker does to create a deployment's environment."""
        plan = self.plan()["plan"]
        body = {ours: plan.get(theirs) or {} for ours, theirs in _OF_PLAN.items()}
        self.as_worker("PATCH", f"/deployments/{deployment_id}", json=body)
        if instance_id is not None:
            self.as_worker(
                "POST", "/nodes", json={"deployment_id": deployment_id, "nodes": plan["nodes"]}
            )
            instance: dict[str, Any] = {
                "id": instance_id,
                "name": "app",
                "node_id": "app",
                "relationships": [],
                "host_id": None,
                "scaling_groups": [],
            }
            body = {"deployment_id": deployment_id, "node_instances": [instance]}
            self.as_worker("POST", "/node-instances", json=body)
        self.finish_execution()

    def age_instance(self, instance_id: str, version: int) -> None:
        """Change an instance until it has a version."""
        path = f"/node-instances/{instance_id}"
        for now in range(self.call("GET", path)["version"], version):
            self.call("PATCH", path, json={"version": now, "runtime_properties": {"age": now}})

    def finish_execution(self) -> None:
        """End the latest execution as its worker does."""
        path = f"/executions/{self.broker.latest}"
        self.as_worker("PATCH", path, json={"status": "started"})
        self.as_worker("PATCH", path, json={"status": "terminated"})

    def plan(self) -> dict[str, Any]:
        """Return what a worker sends after parsing."""
        folder = self.home / "blueprint"
        folder.mkdir(exist_ok=True)
        main = folder / "blueprint.yaml"
        main.write_text(BLUEPRINT)
        plan = json.loads(json.dumps(parse_blueprint(main)))
        return {"plan": plan, "state": "uploaded"}

    def _client(self, exchange: Exchange, path: str) -> Api:
        headers = {"Tenant": exchange["tenant"]} if exchange["tenant"] else {}
        client = Api(self.api.client, self.api.settings, self.api.auth, headers)
        if exchange["status"] == 401:
            return client.with_login("admin", "wrong")
        if exchange["auth"] == "basic":
            return client
        client.auth = None
        if exchange["auth"] == "execution-token":
            named = next((known for known in self.broker.tokens if known in path), None)
            token = self._token(named or self.broker.latest)
            client.headers = {**headers, "Execution-Token": token}
        else:
            client.headers = {**headers, "Authentication-Token": self._new_token(path)}
        return client

    def _token(self, execution_id: str) -> str:
        return self.broker.tokens.get(execution_id, "none")

    def _new_token(self, path: str) -> str:
        token = self.call("POST", "/tokens", json={})
        if "/tokens/" in path:
            self.known[path.rpartition("/")[2]] = token["id"]
        return str(token["value"])

    def _ours(self, text: str) -> str:
        for theirs, ours in self.known.items():
            text = text.replace(theirs, ours)
        return text.replace("mgr1", "manager-1")

    def _body(self, exchange: Exchange) -> dict[str, Any]:
        request = exchange["request"]
        if request is None:
            return {}
        if request != "<binary>":
            return {"json": json.loads(self._ours(json.dumps(request)))}
        for part, make in _BINARY.items():
            if part in f"{exchange['method']} {exchange['path']}":
                return make(self)
        return {"data": b"binary"}

    def _query(self, exchange: Exchange) -> dict[str, str]:
        query: dict[str, str] = json.loads(self._ours(json.dumps(exchange["query"])))
        if exchange["method"] == "PUT" and "/deployments/" in exchange["path"]:
            query["async_create"] = "true"  # nobody makes the environment while it waits
        return query

    def _learn(self, ids: dict[str, str], document: Any) -> None:
        for where, theirs in ids.items():
            found = document
            for name in where.split("."):
                found = found.get(name) if isinstance(found, dict) else None
            if isinstance(found, str):
                self.known[theirs] = found


def _blueprint_form() -> dict[str, Any]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("bp/blueprint.yaml")
        info.size = len(BLUEPRINT)
        archive.addfile(info, io.BytesIO(BLUEPRINT.encode()))
    parameters = {"visibility": "tenant", "application_file_name": "blueprint.yaml"}
    parameters["async_upload"] = "true"
    buffer.seek(0)
    form = {"params": json.dumps(parameters), "blueprint_archive": (buffer, "bp.tar.gz")}
    return {"data": form, "content_type": "multipart/form-data"}


def _nodes(journey: Journey) -> dict[str, Any]:
    nodes = [{**node, "id": "more", "name": "more"} for node in journey.plan()["plan"]["nodes"]]
    return {"json": {"deployment_id": "ag", "nodes": nodes}}


_BINARY: dict[str, Callable[[Journey], dict[str, Any]]] = {
    "PUT /api/v3.1/blueprints/": lambda _journey: _blueprint_form(),
    "PATCH /api/v3.1/blueprints/": lambda journey: {"json": journey.plan()},
    "/plugins": lambda _journey: {"data": plugin_zip(**{"plugin.yaml": PLUGIN_YAML})},
    "/nodes": _nodes,
}


def _deploy(name: str, instance: str | None = None) -> Callable[[Journey], None]:
    return lambda journey: journey.deploy(name, instance)


def _age(instance: str, version: int) -> Callable[[Journey], None]:
    return lambda journey: journey.age_instance(instance, version)


def _finish(journey: Journey) -> None:
    journey.finish_execution()


def _start(deployment_id: str) -> Callable[[Journey], None]:
    body = {"deployment_id": deployment_id, "workflow_id": "install", "force": "true"}
    return lambda journey: journey.call("POST", "/executions", json=body)


def _know(theirs: str, ours: str) -> Callable[[Journey], None]:
    return lambda journey: journey.known.update({theirs: journey.known.get(ours, ours)})


def _use_new_password(journey: Journey) -> None:
    journey.api.auth = ("admin", "admin")


# What has to be so before the exchange of this number.
_BEFORE: dict[int, tuple[Callable[[Journey], None], ...]] = {
    23: (lambda journey: journey.upload("hello"),),
    33: (_finish,),
    34: (_finish,),
    41: (_know("578aaeed-97e1-4a94-9dd8-62e3235adeb6", "26ddcbc8-0010-471f-8ae8-766ea67ed7d6"),),
    62: (_deploy("h2", "app_xsq4eh"), _age("app_xsq4eh", 3), _start("h2")),
    81: (_deploy("ag", "vm_2e4t6z"), _start("ag")),
    122: (_use_new_password,),
    137: (_deploy("h3", "app_h3"),),
    154: (_start("h3"),),
    156: (_know("a20083af-237a-42d3-a9e4-adfb3dbfa814", "1a47d52d-fec2-4d13-83cc-14424e14af47"),),
    182: (_finish,),
    204: (_deploy("tp", "n_cmloyq"), _start("tp")),
    242: (lambda journey: journey.upload("h4"),),
    243: (_deploy("h5", "app_h5"), _start("h5")),
    294: (_deploy("z2"),),
}

# The recording has replies in the order in which they ended: a deployment's creation is answered
# when its environment is there.
ORDER: dict[int, float] = {33: 26.5, 43: 40.5}
