"""Make the types.yaml of one DSL version from the one source of all versions."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from manager.files.tree import FILE_MODE
from manager.files.write import make_folder

VERSIONS = ("1_0", "1_1", "1_2", "1_3", "1_4", "1_5")
SOURCE = Path(__file__).parent / "source"
NAMES = ("node_types", "relationships", "workflows", "data_types", "plugins")


@cache
def types_yaml(version: str) -> str:
    """Return the text of types.yaml for a DSL version such as `1_3`."""
    document: dict[str, Any] = {"tosca_definitions_version": f"cloudify_dsl_{version}"}
    for name in NAMES:
        document |= _for_version(_source(name), VERSIONS.index(version))
    return yaml.dump(document, Dumper=_PlainDumper, sort_keys=False, width=110)


def publish_types(resources: Path, release: str) -> None:
    """Write the files below /resources: by name, and as the specification of a release."""
    write_types(resources / "cloudify/types")
    write_types(resources / "spec/cloudify" / release)


def write_types(folder: Path) -> None:
    """Write types.yaml (newest version) and one types_<version>.yaml each below a folder."""
    make_folder(folder)
    for version in VERSIONS:
        _write(folder / f"types_{version}.yaml", types_yaml(version))
    _write(folder / "types.yaml", types_yaml(VERSIONS[-1]))


def _write(path: Path, text: str) -> None:
    """Replace a file at once; leave an equal one alone: a change is replicated."""
    if path.exists() and path.read_text() == text:
        return
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text)
    draft.chmod(0o644)
    draft.chmod(FILE_MODE)  # for the web server, whatever the umask
    draft.replace(path)


@cache
def _source(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load((SOURCE / f"{name}.yaml").read_text(), Loader=_LOADER)  # noqa: S506 - a safe loader
    return document


def _for_version(value: Any, version: int) -> Any:
    """Return a copy with only what holds in a version, keys without their condition."""
    if isinstance(value, list):
        return [_for_version(item, version) for item in value]
    if not isinstance(value, dict):
        return value
    kept = ((key.partition("@"), item) for key, item in value.items())
    return {
        name: _for_version(item, version)
        for (name, _, condition), item in kept
        if _holds(condition, version)
    }


def _holds(condition: str, version: int) -> bool:
    if condition.startswith("-"):
        return version <= VERSIONS.index(condition[1:])
    return not condition or version >= VERSIONS.index(condition)


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _PlainDumper(_DUMPER):  # type: ignore[misc]
    """Writes no anchors: the parser keeps places in the file, and shared nodes would share them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
