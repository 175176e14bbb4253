"""A manager in memory: the parts of the REST client that operations of built-in types use."""

import itertools
from types import SimpleNamespace
from typing import Any

from cloudify_rest_client.exceptions import CloudifyClientError


class Item(dict):  # type: ignore[type-arg]
    """A resource of the client: a dictionary whose keys are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


class FakeManager:
    """Keeps resources in memory; `asked` tells what was done, in order.

    `ends` tells how executions of a workflow end; an execution runs for one look.
    """

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.ends: dict[str, str] = {}
        self.values: dict[str, dict[str, Item]] = {
            kind: {} for kind in ("blueprints", "deployments", "secrets", "plugins", "executions")
        }
        self._numbers = itertools.count(1)
        self.blueprints = _Blueprints(self, "blueprints")
        self.deployments = _Deployments(self, "deployments")
        self.secrets = _Secrets(self, "secrets")
        self.plugins = _Resources(self, "plugins")
        self.executions = _Executions(self, "executions")
        self.events = SimpleNamespace(list=self._events)
        self.inter_deployment_dependencies = _Dependencies(self)
        self.manager = SimpleNamespace(get_managers=lambda: [])

    def number(self) -> str:
        return f"execution-{next(self._numbers)}"

    def _events(self, execution_id: str, _offset: int, **_: Any) -> list[Any]:
        return [{"message": f"of {execution_id}"}][_offset:]


class _Resources:
    def __init__(self, manager: FakeManager, kind: str) -> None:
        self._manager, self._kind = manager, kind
        self.values = manager.values[kind]

    def list(self, id: str | None = None, **_: Any) -> list[Item]:
        return [item for name, item in self.values.items() if id in (None, name)]

    def get(self, resource_id: str, **_: Any) -> Item:
        if resource_id not in self.values:
            raise CloudifyClientError(f"{resource_id} is absent", status_code=404)
        return self.values[resource_id]

    def delete(self, resource_id: str, **_: Any) -> None:
        self.get(resource_id)
        self._tell("delete", resource_id)
        del self.values[resource_id]

    def _tell(self, verb: str, *what: Any) -> None:
        self._manager.asked.append((verb, self._kind, *what))


class _Blueprints(_Resources):
    def publish_archive(self, source: str, blueprint_id: str, main_file: str, **_: Any) -> None:
        self._tell("upload", blueprint_id, source, main_file)
        self.values[blueprint_id] = Item(id=blueprint_id, state="uploaded")


class _Deployments(_Resources):
    def __init__(self, manager: FakeManager, kind: str) -> None:
        super().__init__(manager, kind)
        self.capabilities = SimpleNamespace(get=self._capabilities)

    def create(self, blueprint_id: str, deployment_id: str, **options: Any) -> None:
        self._tell("create", deployment_id, blueprint_id, options["inputs"], options["labels"])
        execution = self._manager.executions.start(deployment_id, "create_environment")
        self.values[deployment_id] = Item(
            id=deployment_id,
            create_execution=execution["id"],
            installation_status="inactive",
            deployment_status="requires_attention",
            inputs=options["inputs"],
            labels=[],
        )

    def _capabilities(self, deployment_id: str) -> dict[str, Any]:
        return {"capabilities": {"of": deployment_id}}


class _Secrets(_Resources):
    def list(self, id: str | None = None, **filters: Any) -> list[Item]:
        return super().list(filters.get("key", id))

    def create(self, key: str, value: str) -> None:
        self._tell("create", key)
        self.values[key] = Item(key=key, value=value)


class _Executions(_Resources):
    def start(self, deployment_id: str, workflow_id: str, **options: Any) -> Item:
        self._tell("start", deployment_id, workflow_id, options)
        item = Item(id=self._manager.number(), workflow_id=workflow_id, status="started")
        self.values[item.id] = item
        return item

    def get(self, resource_id: str, **_: Any) -> Item:
        item = super().get(resource_id)
        found = Item(item)
        item["status"] = self._manager.ends.get(item.workflow_id, "terminated")
        item["error"] = None if item["status"] == "terminated" else "it broke"
        return found


class _Dependencies:
    def __init__(self, manager: FakeManager) -> None:
        self._manager = manager
        self.present: set[tuple[str, str, Any]] = set()

    def create(self, **fields: Any) -> None:
        if self._key(fields) in self.present:
            raise CloudifyClientError("it exists", status_code=409)
        self.present.add(self._key(fields))

    def delete(self, **fields: Any) -> None:
        if self._key(fields) not in self.present:
            raise CloudifyClientError("it is absent", status_code=404)
        self.present.remove(self._key(fields))

    def _key(self, fields: dict[str, Any]) -> tuple[str, str, Any]:
        target = fields.get("target_deployment") or str(fields.get("external_target"))
        return fields["dependency_creator"], fields["source_deployment"], target
