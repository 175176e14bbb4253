"""Let a small blueprint go its whole way through a cluster, and leave nothing of it."""

import functools
import io
import os
import secrets
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from installer.actions.cluster import open_cluster
from installer.actions.installed import STATE
from installer.actions.node import node_inputs
from installer.actions.node_managers import node_with_manager
from installer.actions.rest import Rest, administrator, node_administrator, unhealthy
from installer.errors import NotHealthy, Problem, Refused
from installer.expand.check import load_cluster
from installer.inventory import Inventory, Role, runs_folder
from installer.lock import make_owned, orphans

_STEP_S = 180
_ASK_AGAIN_S = 0.25
_BEGUN = "sanity"  # the folder of checks whose blueprint may be there
_ENDED = ("terminated", "failed", "cancelled")
_BLUEPRINT = """\
tosca_definitions_version: cloudify_dsl_1_3
imports: [cloudify/types/types.yaml]
inputs:
  word: {}
node_templates:
  probe:
    type: cloudify.nodes.Root
    interfaces:
      cloudify.interfaces.lifecycle:
        create:
          implementation: say.sh
          executor: central_deployment_agent
          inputs: {word: {get_input: word}}
outputs:
  said: {value: {get_attribute: [probe, said]}}
"""
_SCRIPT = '#!/bin/sh\nctx instance runtime-properties said "$word"\n'

Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sanity:
    """One blueprint's way through a cluster; `name` is its own, its deployment's and its word."""

    rest: Rest
    name: str
    tell: Tell
    forget: Callable[[], None]  # told once nothing of it is there

    def run(self) -> None:
        """Upload, deploy, install, read what a script said, uninstall and delete.

        Raises NotHealthy with the step that failed; what was made is taken away all the same.
        """
        try:
            self._there()
            self._back()
        except BaseException as error:
            self._clean_up(error)
            raise

    def take_away(self) -> None:
        """Delete what a check of this name has left; raises NotHealthy when that fails."""
        with self._step(f"delete what {self.name} left"):
            self._delete()

    def _there(self) -> None:
        name = self.name
        with self._step("upload the blueprint"):
            path = f"/blueprints/{name}?application_file_name=blueprint.yaml"
            self.rest.call("PUT", path, _archive())
            self._await(f"/blueprints/{name}?_include=state,error", "state", "uploaded")
        with self._step("make the deployment"):
            body = {"blueprint_id": name, "inputs": {"word": name}}
            self.rest.call("PUT", f"/deployments/{name}", body)
            self._await_made()
        with self._step("install it"):
            self._execute("install")
        with self._step("read what its script said"):
            outputs = self.rest.call("GET", f"/deployments/{name}/outputs")["outputs"]
            if outputs != {"said": name}:
                raise unhealthy(self.rest.host, f"the outputs are {outputs}")

    def _back(self) -> None:
        with self._step("uninstall it"):
            self._execute("uninstall")
        with self._step("delete deployment and blueprint"):
            self._delete()

    def _clean_up(self, reason: BaseException) -> None:
        """Take away what there is after a failure; what cannot be deleted is told with it."""
        try:
            with self._step("take away what was made"):
                self._delete()
        except NotHealthy as error:
            left = f"blueprint and deployment {self.name}"
            again = "the next check here takes them away"
            reason.add_note(f"It may have left {left}, {again}: {error.problems[0].brief}")

    def _delete(self) -> None:
        if self._is_there("deployments"):
            self.rest.call("DELETE", f"/deployments/{self.name}?force=true")
            self._await_gone("deployments")
        if self._is_there("blueprints"):
            self.rest.call("DELETE", f"/blueprints/{self.name}?force=true")
            self._await_gone("blueprints")
        self.forget()

    def _execute(self, workflow: str) -> None:
        body = {"deployment_id": self.name, "workflow_id": workflow}
        execution = self.rest.call("POST", "/executions", body)["id"]
        self._await(f"/executions/{execution}?_include=status,error", "status", "terminated")

    def _await_made(self) -> None:
        listing = f"/executions?deployment_id={self.name}&_include_system_workflows=true"
        found = self._until(lambda: self.rest.call("GET", listing)["items"], bool)
        self._await(f"/executions/{found[0]['id']}?_include=status,error", "status", "terminated")

    def _await(self, path: str, key: str, good: str) -> None:
        def is_ended(found: dict[str, Any]) -> bool:
            state = str(found[key])
            return state == good or state in _ENDED or state.startswith(("failed", "invalid"))

        found = self._until(lambda: self.rest.call("GET", path), is_ended)
        if found[key] != good:
            raise unhealthy(self.rest.host, f"it ended {found[key]}: {found.get('error')}")

    def _await_gone(self, kind: str) -> None:
        self._until(lambda: self._is_there(kind), lambda there: not there)

    def _is_there(self, kind: str) -> bool:
        found = self.rest.call("GET", f"/{kind}?id={self.name}&_include=id")["items"]
        return any(item["id"] == self.name for item in found)

    def _until(self, ask: Callable[[], Any], is_good: Callable[[Any], bool]) -> Any:
        deadline = time.monotonic() + _STEP_S
        while not is_good(found := ask()):
            if time.monotonic() > deadline:
                raise unhealthy(self.rest.host, f"not within {_STEP_S} s; last seen: {found}")
            time.sleep(_ASK_AGAIN_S)
        return found

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        except NotHealthy as error:
            error.add_note(f"Failed step: {name}, after {time.monotonic() - began:.1f} s")
            raise
        self.tell(name, time.monotonic() - began)


def check_cluster(inventory_path: Path, tell: Tell, *, manager: str | None = None) -> str:
    """Try the cluster by its clients' address, or one manager; return the address tried."""
    inventory = load_cluster(inventory_path)
    rest = administrator(inventory, _host(inventory, manager))
    return _try(rest, runs_folder(inventory) / _BEGUN, tell)


def check_node(tell: Tell) -> str:
    """Try the manager of this node; return the address tried."""
    config = node_inputs(node_with_manager()).config
    return _try(node_administrator(config), STATE / _BEGUN, tell)


def _try(rest: Rest, begun: Path, tell: Tell) -> str:
    """Take away what killed checks have left, then run one; `begun` has a file for each of them."""
    begun.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in orphans(begun.iterdir()):
        Sanity(rest=rest, name=left.name, tell=tell, forget=left.unlink).take_away()
    name = f"sanity-{secrets.token_hex(4)}"
    own = begun / name
    forget = functools.partial(own.unlink, missing_ok=True)
    descriptor = make_owned(own)
    try:
        Sanity(rest=rest, name=name, tell=tell, forget=forget).run()
    finally:
        os.close(descriptor)
    return rest.host


def _host(inventory: Inventory, manager: str | None) -> str:
    if manager is None:
        return open_cluster(inventory, save=False).address
    names = [node.name for node in inventory.with_role(Role.MANAGER)]
    if manager not in names:
        remedy = f"name one of: {', '.join(names)}"
        raise Refused(Problem(where="--manager", what=f"{manager} is no manager", remedy=remedy))
    return inventory.node(manager).address


def _archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in (("blueprint.yaml", _BLUEPRINT), ("say.sh", _SCRIPT)):
            member = tarfile.TarInfo(f"sanity/{name}")
            member.size, member.mode = len(text), 0o755
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()
