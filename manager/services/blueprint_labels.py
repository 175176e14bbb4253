"""The labels of a blueprint: those of its upload and those that it declares itself."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from manager.services.labels import Label, parse_labels, replace_labels
from manager.storage.models import Blueprint, BlueprintLabel

__all__ = ["Label", "given_labels", "labels_of_plan", "set_labels"]


def given_labels(raw: object) -> list[Label]:
    """Return the labels of a request, `{"key": k, "value": v}` or `{k: v}` each.

    Raises BadParameters for what no label can be.
    """
    if isinstance(raw, list):
        raw = [_as_entry(item) for item in raw]
    return parse_labels(raw)


def labels_of_plan(plan: dict[str, Any] | None) -> list[Label]:
    """Return the labels that a blueprint declares: `{key: {"values": […]}}` in its plan."""
    section = (plan or {}).get("blueprint_labels") or {}
    return parse_labels([{key: declared.get("values") or []} for key, declared in section.items()])


def set_labels(
    session: Session, blueprint: Blueprint, labels: Iterable[Label], creator_id: int
) -> None:
    """Give a blueprint exactly these labels."""
    wanted = list(dict.fromkeys(labels))
    replace_labels(session, BlueprintLabel, blueprint.key, wanted, creator_id)


def _as_entry(item: object) -> object:
    if isinstance(item, dict) and item.keys() == {"key", "value"}:
        return {item["key"]: item["value"]} if isinstance(item["key"], str) else None
    return item
