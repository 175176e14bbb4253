"""Turn YAML text into plain values, with the line of each key and each key that stands twice."""

import re
from pathlib import Path
from typing import Any

import yaml

from installer.config.source import KeyPath, Loaded, Position, path_text
from installer.config.words import type_text
from installer.errors import ConfigError, Problem

_MERGE_TAG = "tag:yaml.org,2002:merge"
_BOOLEAN_TAG, _INTEGER_TAG = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int"
_DROPPED_TAGS = (
    _BOOLEAN_TAG,  # YAML 1.1 reads the words on, off, yes and no as booleans
    _INTEGER_TAG,  # and 2001:10:20 as a number of base 60
    "tag:yaml.org,2002:timestamp",  # and 2024-01-31 as a date
)

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _YamlLoader(_Base):  # type: ignore[misc]
    """YAML with the plain booleans and integers of YAML 1.2."""


_YamlLoader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] not in _DROPPED_TAGS]
    for first, pairs in _Base.yaml_implicit_resolvers.items()
}
_YamlLoader.add_implicit_resolver(
    _BOOLEAN_TAG, re.compile("^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_YamlLoader.add_implicit_resolver(
    _INTEGER_TAG, re.compile("^[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789")
)


def load_yaml(path: Path) -> Loaded:
    """Return the mapping that a file holds.

    Raises ConfigError when the file cannot be read, is no YAML or holds no mapping.
    """
    try:
        return _loaded(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        what = f"it cannot be read: {error.strerror}"
        raise _unusable(str(path), what, "name an existing file that you may read") from error
    except UnicodeDecodeError as error:
        raise _unusable(str(path), "it is not UTF-8 text", "save it as UTF-8") from error


def _loaded(text: str, file: str) -> Loaded:
    loader = _YamlLoader(text)
    builder = _Builder(loader, file)
    builder.positions[()] = Position(file, 1)
    try:
        node = loader.get_single_node()
        document = None if node is None else builder.build(node, ())
    except yaml.YAMLError as error:
        raise ConfigError(_syntax_problem(file, error)) from error
    finally:
        loader.dispose()
    if document is None:
        raise _unusable(file, "it is empty", "start from one of the files in `inventories/`")
    if not isinstance(document, dict):
        what = f"it holds {type_text(document)} where sections are wanted"
        raise _unusable(file, what, "write `section:` and its keys below, indented by spaces")
    return Loaded(document=document, positions=builder.positions, problems=tuple(builder.problems))


class _Builder:
    """Builds values from YAML nodes, noting where each key stands."""

    def __init__(self, loader: Any, file: str) -> None:
        self._loader = loader
        self._file = file
        self._open: set[int] = set()  # nodes being built: an alias to one is a circle
        self.positions: dict[KeyPath, Position] = {}
        self.problems: list[Problem] = []

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        """Return the value of a node."""
        if isinstance(node, yaml.ScalarNode):
            return self._loader.construct_object(node)
        if id(node) in self._open:
            raise yaml.composer.ComposerError(
                None, None, "this alias stands inside what it stands for", node.start_mark
            )
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return self._list(node, path)
            return self._mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _list(self, node: yaml.SequenceNode, path: KeyPath) -> list[Any]:
        for index, child in enumerate(node.value):
            self._note((*path, index), child)
        return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]

    def _mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merges: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE_TAG:
                is_list = isinstance(value_node, yaml.SequenceNode)
                merges.extend(value_node.value if is_list else [value_node])
                continue
            key = self._key(key_node)
            if key in result:
                self._report_twice((*path, key), key_node)
            self._note((*path, key), key_node)
            result[key] = self.build(value_node, (*path, key))
        for merge in merges:
            result = {**self._merged_in(merge, path, frozenset(result)), **result}
        return result

    def _merged_in(self, node: yaml.Node, path: KeyPath, known: frozenset[str]) -> dict[str, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(
                None, None, "only a mapping can be merged in by <<", node.start_mark
            )
        kept = [(key, value) for key, value in node.value if self._key(key) not in known]
        trimmed = yaml.MappingNode(node.tag, kept, node.start_mark, node.end_mark)
        return self._mapping(trimmed, path)

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(
                None, None, "a key is one word, not a list or mapping", node.start_mark
            )
        return str(node.value)

    def _note(self, path: KeyPath, node: yaml.Node) -> None:
        self.positions[path] = Position(self._file, node.start_mark.line + 1)

    def _report_twice(self, path: KeyPath, node: yaml.Node) -> None:
        self.problems.append(
            Problem(
                where=path_text(path),
                what=f"the key stands twice; it is already on line {self.positions[path].line}",
                remedy="keep one of the two",
                file=self._file,
                line=node.start_mark.line + 1,
                code="key-twice",
            )
        )


def _unusable(file: str, what: str, remedy: str) -> ConfigError:
    problem = Problem(where="the file", what=what, remedy=remedy, file=file, code="file-unusable")
    return ConfigError(problem)


def _syntax_problem(file: str, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    if "quoted scalar" in str(getattr(error, "context", None)):
        mark = getattr(error, "context_mark", mark)  # where it opens; it ends with the file
    what = getattr(error, "problem", None) or str(error)
    is_tab = "\\t" in what or "'\t'" in what
    return Problem(
        where="the file",
        what=f"it is not YAML: {what}",
        remedy="indent with spaces, not with tabs"
        if is_tab
        else "look at this line and the one above: indentation, a colon or a quote is off",
        file=file,
        line=mark.line + 1 if mark else None,
        code="not-yaml",
    )
