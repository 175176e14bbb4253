"""Read YAML files and lay them over each other."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from installer.config.merge import merged
from installer.config.model import Document
from installer.config.source import KeyPath, Loaded, Position
from installer.config.yaml_text import load_yaml
from installer.errors import ConfigError, Problem


def load_documents(paths: Sequence[Path]) -> Loaded:
    """Read YAML files and merge them left to right: mappings recurse, all else is replaced.

    Raises ConfigError with a problem for each file that holds no mapping.
    """
    loaded: list[Loaded] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            loaded.append(load_yaml(path))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(*problems)
    return _joined(loaded)


def with_overrides(loaded: Loaded, overrides: Document, source: str) -> Loaded:
    """Lay values of another source, such as the command line, over a document."""
    if not overrides:
        return loaded
    positions = {path: Position(source, None) for path in _paths(overrides)}
    over = Loaded(document=overrides, positions=positions)
    return _joined([loaded, over])


def _joined(parts: Sequence[Loaded]) -> Loaded:
    document: Document = {}
    positions: dict[KeyPath, Position] = {}
    for part in parts:
        document = merged(document, part.document)
        positions.update(part.positions)
    problems = tuple(problem for part in parts for problem in part.problems)
    return Loaded(document=document, positions=positions, problems=problems)


def _paths(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    if isinstance(value, Mapping) and value:
        for key, child in value.items():
            yield from _paths(child, (*path, key))
    else:
        yield path
