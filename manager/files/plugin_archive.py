"""What a client uploads as a plugin: a zip of a wagon, its plugin.yaml files and an icon."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from manager.errors import BadArchive
from manager.files.entries import Limits
from manager.files.unpack import extract
from manager.files.wagon import Wagon, read_wagon
from manager.files.write import draft, make_folder, publish

_ICON = "icon.png"
_MAX_YAML = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFiles:
    """A plugin's files, flat in one folder, and what they say."""

    folder: Path
    archive_name: str
    wagon: Wagon
    yaml_names: tuple[str, ...]
    blueprint_labels: dict[str, Any] | None
    labels: dict[str, Any] | None
    resource_tags: dict[str, Any] | None

    def keep(self, target: Path) -> None:
        """Give the folder its place in the tree."""
        publish(self.folder, target)


@contextmanager
def unpacked_plugin(archive: Path, incoming: Path, limits: Limits) -> Iterator[PluginFiles]:
    """Give the files of an uploaded plugin; they are dropped unless kept. Raises BadArchive."""
    with draft(incoming) as everything, draft(incoming) as folder:
        extract(archive, everything, limits=limits)
        files = [path for path in everything.rglob("*") if path.is_file()]
        wagon = _only_wagon(files)
        yamls = [path for path in files if path.suffix == ".yaml"]
        if not yamls:
            raise BadArchive("Archive must include a wagon and at least one plugin.yaml")
        documents = [_document(path) for path in sorted(yamls)]
        wagon_metadata = read_wagon(wagon)
        make_folder(folder)
        icons = [path for path in files if path.name == _ICON]
        for path in (wagon, *yamls, *icons):
            path.replace(folder / path.name)
        yield PluginFiles(
            folder=folder,
            archive_name=wagon.name,
            wagon=wagon_metadata,
            yaml_names=tuple(sorted({path.name for path in yamls})),
            blueprint_labels=_labels(documents, "blueprint_labels"),
            labels=_labels(documents, "labels"),
            resource_tags=_section(documents, "resource_tags"),
        )


def _only_wagon(files: Sequence[Path]) -> Path:
    wagons = [path for path in files if path.suffix == ".wgn"]
    if len(wagons) != 1:
        raise BadArchive(f"Archive must include exactly one wagon (.wgn), not {len(wagons)}")
    return wagons[0]


def _document(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _MAX_YAML:
        raise BadArchive(f"{path.name} is larger than {_MAX_YAML} bytes")
    try:
        document = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise BadArchive(f"{path.name} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise BadArchive(f"{path.name} is not a plugin.yaml: it is not a mapping")
    return document


def _section(documents: Sequence[dict[str, Any]], name: str) -> dict[str, Any] | None:
    sections = (document.get(name) for document in documents)
    return next((found for found in sections if found and isinstance(found, dict)), None)


def _labels(documents: Sequence[dict[str, Any]], name: str) -> dict[str, Any] | None:
    """Return labels as {key: [values]}; the DSL writes {key: {values: [...]}}."""
    section = _section(documents, name)
    if section is None:
        return None
    return {
        str(key): found.get("values", []) if isinstance(found, dict) else found
        for key, found in section.items()
    }
