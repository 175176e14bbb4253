"""Labels in the forms that requests, executions and plans have them in."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def label_entries(raw: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield {name: value} for each label, be it that, {key: name, value: value} or a pair."""
    for item in raw:
        if isinstance(item, Mapping) and item.keys() == {"key", "value"}:
            yield {item["key"]: item["value"]}
        elif isinstance(item, Mapping):
            yield dict(item)
        else:
            name, value = item
            yield {name: value}


def plan_labels(section: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Yield {name: value} for each label of a plan's `labels` or `blueprint_labels`."""
    for name, definition in (section or {}).items():
        for value in (definition or {}).get("values") or []:
            yield {name: value}
