"""Which changes by hand have a setting in the inventory, and which setting that is."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml

from installer.cluster_secrets import SECRET_KINDS
from installer.config.complete import complete
from installer.config.source import path_text
from installer.expand.names import CONFIG_PATH

Path = tuple[str, ...]
PATRONI = "/etc/patroni/config.yml"
_PARAMETERS: Path = ("postgresql", "parameters")
_SETTING: Path = ("postgresql_server", "config")
_MISSING = object()


class NotAdoptable(ValueError):
    """Why a change by hand cannot become a setting."""


def adopted_settings(path: str, wanted: bytes, found: str) -> dict[Path, Any]:
    """Return the settings that a changed file asks for: key path → value.

    Raises NotAdoptable for files and keys that no setting describes.
    """
    if path not in _READERS:
        raise NotAdoptable(f"no setting describes {path}")
    changes = dict(_changes(meaning(path, wanted.decode()), meaning(path, found)))
    if not changes:
        raise NotAdoptable("its meaning did not change, only its text or its rights")
    return {_setting(path, key): value for key, value in changes.items()}


def lost_keys(path: str, before: bytes, found: str, after: bytes) -> list[str]:
    """Return the keys of a change by hand that the file would not have with the new settings."""
    old, wish, new = (
        dict(_leaves(meaning(path, text))) for text in (before.decode(), found, after.decode())
    )
    changed = {key: value for key, value in wish.items() if old.get(key, _MISSING) != value}
    return [path_text(k) for k, value in changed.items() if new.get(k, _MISSING) != value]


def meaning(path: str, text: str) -> Mapping[str, Any]:
    """Return what an adoptable file says, however it is written; raises NotAdoptable."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)  # its words might show a secret
        line = f" (line {mark.line + 1})" if mark else ""
        raise NotAdoptable(f"it is no YAML any more{line}") from error
    if not isinstance(document, Mapping):
        raise NotAdoptable("it holds no keys any more")
    return _READERS[path](document)


def _config(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return complete(document)


def _patroni(document: Mapping[str, Any]) -> Mapping[str, Any]:
    server = document.get("postgresql")
    if not isinstance(server, Mapping) or not isinstance(server.get("parameters"), Mapping):
        return document
    parameters = {name: _parameter(value) for name, value in server["parameters"].items()}
    return {**document, "postgresql": {**server, "parameters": parameters}}


def _parameter(value: object) -> str:
    """Return a parameter as PostgreSQL takes it; YAML reads `on` as a boolean."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    CONFIG_PATH: _config,
    PATRONI: _patroni,
}


def _leaves(value: Any, above: Path = ()) -> Iterator[tuple[Path, Any]]:
    if not isinstance(value, Mapping):
        yield above, value
        return
    for key, child in value.items():
        yield from _leaves(child, (*above, str(key)))


def _changes(old: Any, new: Any, above: Path = ()) -> Iterator[tuple[Path, Any]]:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        if old != new:
            yield above, new
        return
    for key in dict.fromkeys([*old, *new]):
        if key not in new:
            raise NotAdoptable(f"{path_text((*above, key))} is gone; settings cannot say that")
        yield from _changes(old.get(key, _MISSING), new[key], (*above, str(key)))


def _setting(file: str, key: Path) -> Path:
    if file == CONFIG_PATH:
        if any(kind.config_path == key for kind in SECRET_KINDS.values()):
            raise NotAdoptable(f"{path_text(key)} is a secret: change it in the secrets file")
        return key
    if key[: len(_PARAMETERS)] != _PARAMETERS or len(key) != len(_PARAMETERS) + 1:
        raise NotAdoptable(f"no setting describes {path_text(key)}")
    return (*_SETTING, key[-1])
