"""What a blueprint requires of the environment that its deployment is in."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from manager.services.authentication import Caller
from manager.services.labels import PARENT, Label
from manager.services.resources import find
from manager.storage.models import Blueprint, Deployment
from manager.system_workflows.context import WorkflowFailed

Path = Sequence[Any]


def check_requirements(
    session: Session, caller: Caller, blueprint: Blueprint, labels: Iterable[Label]
) -> None:
    """Raise WorkflowFailed unless the parent has the capabilities that the blueprint reads."""
    required: Sequence[Path] = (blueprint.requirements or {}).get("parent_capabilities") or ()
    if not required:
        return
    parent_id = next((value for name, value in labels if name == PARENT), None)
    if parent_id is None:
        raise WorkflowFailed(
            f"Environment not found, but environment capabilities are required: {_text(required)}"
        )
    parent = find(session, caller, Deployment, parent_id)
    if missing := missing_capabilities(required, parent.capabilities or {}):
        raise WorkflowFailed(
            f"Environment {parent_id} does not have the required capabilities: {_text(missing)}"
        )


def missing_capabilities(required: Iterable[Path], present: Mapping[str, Any]) -> list[Path]:
    """Return the paths, a capability's name and what is asked within it, that lead nowhere."""
    return [path for path in required if not _leads_somewhere(path, present)]


def _leads_somewhere(path: Path, present: Mapping[str, Any]) -> bool:
    name, *inner = path
    if name not in present:
        return False
    value = present[name].get("value")
    for step in inner:
        if isinstance(value, Mapping) and len(value) == 1:
            only = next(iter(value))
            if isinstance(only, str) and only.startswith(("get_", "concat", "string_", "merge")):
                return True  # a function: what it gives is not known before it is asked
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _text(paths: Iterable[Path]) -> str:
    return ", ".join(".".join(map(str, path)) for path in paths)
