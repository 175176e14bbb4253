"""Recorded exchanges in a compact form: what was sent, and the keys and types of what came back.

`python -m tests.support.recording RECORDING` prints the compact form of a recording that has one
JSON object a line with method, path, query, auth, headers, request, status and response.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Exchange = dict[str, Any]

# What users and blueprints define: only its type is compared, not its keys.
_DATA_WORDS = """
    capabilities context groups inputs labels operations outputs parameters plan plugins
    plugins_to_install policy_triggers policy_types properties relationships requirements
    resource_tags runtime_properties scaling_groups schema system_properties type_hierarchy value
    wheels workflows
"""
_DATA = frozenset(_DATA_WORDS.split())
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NAMES = re.compile(
    r"(?<=/)(blueprints|deployments|deployment-updates|agents|node-instances|config|secrets"
    r"|snapshots|users|tokens|tenants)/(?!users$|set-|share/)[\w.-]+"
)
_SHARED_KEYS = 5  # two objects with the same keys are of one kind when they have this many


def route(exchange: Exchange) -> str:
    """Return the exchange's method and path with placeholders for names."""
    path = exchange["path"].removeprefix("/api/v3.1/")
    path = _NAMES.sub(r"\1/{}", "/" + _UUID.sub("{}", path)).lstrip("/")
    return f"{exchange['method']} {path}"


def shape_of(value: Any, key: str = "") -> Any:
    """Return the keys and types of a reply; of a list those of its first item."""
    if isinstance(value, dict) and key not in _DATA:
        return {name: shape_of(item, name) for name, item in value.items()}
    if isinstance(value, list) and key not in _DATA:
        return [shape_of(value[0])] if value else []
    return "null" if value is None else type(value).__name__


def merged(one: Any, other: Any) -> Any:
    """Return the shape that admits what either of two admits: `null|str`."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: merged(one.get(name), other.get(name)) for name in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list):
        return [merged(one[0], other[0])] if one and other else one or other
    if isinstance(one, str) and isinstance(other, str):
        return "|".join(sorted({*one.split("|"), *other.split("|")}))
    return one if not isinstance(one, str | None) else other


def differences(recorded: Any, ours: Any, where: str = "") -> Iterator[str]:
    """Yield where the shape `ours` is not admitted by the recorded one."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        for name in [*recorded, *(name for name in ours if name not in recorded)]:
            inner = f"{where}.{name}" if where else name
            if name not in ours:
                yield f"{inner} is missing"
            elif name not in recorded:
                yield f"{inner} is unknown to the original"
            else:
                yield from differences(recorded[name], ours[name], inner)
    elif isinstance(recorded, list) and isinstance(ours, list):
        if recorded and ours:
            yield from differences(recorded[0], ours[0], f"{where}[]")
    elif not _admits(recorded, ours):
        yield f"{where} is {_name(ours)}, not {_name(recorded)}"


def compact(exchanges: list[Exchange]) -> list[Exchange]:
    """Return one exchange of each kind, in the recorded order, with the shape of its reply."""
    kinds: dict[str, Exchange] = {}
    shared: dict[frozenset[str], Any] = {}
    for number, exchange in enumerate(exchanges):
        response = exchange["response"]
        shape = "text" if isinstance(response, str) else shape_of(response)
        _share(shape, shared)
        key = _kind(exchange, shape)
        if key in kinds:
            kinds[key]["reply"] = merged(kinds[key]["reply"], shape)
        else:
            kinds[key] = _sample(number, exchange, shape)
    return [{**kind, "reply": _completed(kind["reply"], shared)} for kind in kinds.values()]


def _sample(number: int, exchange: Exchange, shape: Any) -> Exchange:
    return {
        "number": number,
        "method": exchange["method"],
        "path": exchange["path"],
        "query": exchange["query"],
        "auth": exchange["auth"],
        "tenant": exchange["headers"].get("Tenant"),
        "request": exchange["request"],
        "status": exchange["status"],
        "reply": shape,
        "ids": dict(_ids(exchange["response"])),
    }


def _ids(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Yield where a reply has an id that the service made up, and that id."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _ids(inner, f"{where}.{name}" if where else name)
    elif isinstance(value, str) and _UUID.fullmatch(value):
        yield where, value


def _kind(exchange: Exchange, shape: Any) -> str:
    request = exchange["request"]
    sent = sorted(request) if isinstance(request, dict) else type(request).__name__
    query = sorted(exchange["query"])
    same = shape if isinstance(shape, str) or len(shape or "") < _SHARED_KEYS else ""
    parts = (route(exchange), query, exchange["auth"], exchange["status"], sent, same)
    return json.dumps(parts)


def _share(shape: Any, shared: dict[frozenset[str], Any]) -> None:
    if isinstance(shape, dict):
        if len(shape) >= _SHARED_KEYS:
            keys = frozenset(shape)
            shared[keys] = merged(shared[keys], shape) if keys in shared else shape
        for inner in shape.values():
            _share(inner, shared)
    elif isinstance(shape, list) and shape:
        _share(shape[0], shared)


def _completed(shape: Any, shared: dict[frozenset[str], Any]) -> Any:
    if isinstance(shape, dict):
        shape = shared.get(frozenset(shape), shape)
        return {name: _completed(inner, shared) for name, inner in shape.items()}
    if isinstance(shape, list) and shape:
        return [_completed(shape[0], shared)]
    return shape


def _admits(recorded: Any, ours: Any) -> bool:
    if isinstance(recorded, str) and isinstance(ours, str):
        return ours in recorded.split("|")
    return type(recorded) is type(ours)


def _name(shape: Any) -> str:
    return shape if isinstance(shape, str) else type(shape).__name__


def load(path: Path) -> list[Exchange]:
    """Return the exchanges in a file of one JSON object a line."""
    return [json.loads(line) for line in path.read_text().splitlines()]


if __name__ == "__main__":
    for sample in compact(load(Path(sys.argv[1]))):
        sys.stdout.write(json.dumps(sample) + "\n")
