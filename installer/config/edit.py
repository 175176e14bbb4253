"""Set one value in the text of a YAML file; comments, order and all other values stay."""

from typing import Any

import yaml

from installer.config.merge import merged, nested

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INDENT = 2


class NotEditable(ValueError):
    """The text is written in a way that this cannot change; a person can."""


def with_value(text: str, path: tuple[str | int, ...], value: object) -> str:
    """Return the text with the value at a path of keys; what lacks of the path is made.

    A number is a place in a list, which must be there.

    Raises NotEditable when the result would not be the same document but for this value.
    """
    changed = _edited(text, path, value)
    wanted = _with(yaml.safe_load(text) or {}, path, value)
    try:
        is_right = yaml.safe_load(changed) == wanted
    except yaml.YAMLError:
        is_right = False
    if not is_right:
        raise NotEditable(".".join(map(str, path)))
    return changed


def _with(document: Any, path: tuple[str | int, ...], value: object) -> Any:
    """Return the document with the value at a path, as `with_value` is to make it."""
    places = [at for at, key in enumerate(path) if isinstance(key, int)]
    if not places:
        return merged(document, nested(_words(path), value))
    above, number, below = path[: places[0]], path[places[0]], path[places[0] + 1 :]
    found = document
    for key in above:
        found = found[key]
    changed = [*found]
    changed[int(number)] = _with(changed[int(number)], below, value)
    return merged(document, nested(_words(above), changed))


def _words(path: tuple[str | int, ...]) -> tuple[str, ...]:
    return tuple(map(str, path))


def _edited(text: str, path: tuple[str | int, ...], value: object) -> str:
    node = yaml.compose(text, Loader=_Loader)
    if not isinstance(node, yaml.MappingNode):
        raise NotEditable(".".join(map(str, path)))
    for at, key in enumerate(path):
        rest = path[at + 1 :]
        child = _child(node, key)
        if child is None:
            return _inserted(text, node, nested(_words(path[at:]), value), is_root=at == 0)
        into = yaml.SequenceNode if rest and isinstance(rest[0], int) else yaml.MappingNode
        if not rest or not isinstance(child, into):
            new = nested(_words(rest), value) if rest else value
            return _replaced(text, node, child, new)
        node = child
    raise NotEditable(".".join(map(str, path)))


def _child(node: Any, key: str | int) -> Any:
    if isinstance(key, int):
        return node.value[key]
    return next((child for name, child in node.value if name.value == key), None)


def _replaced(text: str, parent: Any, child: Any, new: object) -> str:
    """Return the text with another value in the place of one that stands on its own."""
    is_empty = child.start_mark.index == child.end_mark.index
    if isinstance(new, dict) and is_empty and not parent.flow_style:
        column = parent.start_mark.column + _INDENT
        return _put(text, child.start_mark.index, child.end_mark.index, "\n" + _block(new, column))
    if not isinstance(child, yaml.ScalarNode) and not child.flow_style:
        raise NotEditable(str(new))
    space = " " if is_empty else ""
    return _put(text, child.start_mark.index, child.end_mark.index, space + _flow(new))


def _inserted(text: str, node: Any, new: dict[str, Any], *, is_root: bool) -> str:
    """Return the text with further keys in a mapping: at the end of the file, or as its first."""
    if is_root:
        end = "" if text.endswith("\n") else "\n"
        return f"{text}{end}{_block(new, 0)}\n"
    start, end_mark = node.start_mark.index, node.end_mark.index
    if node.flow_style:
        whole = merged(yaml.safe_load(text[start:end_mark]), new)
        return _put(text, start, end_mark, _flow(whole))
    column = node.start_mark.column
    return _put(text, start, start, f"{_block(new, column).lstrip()}\n{' ' * column}")


def _put(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def _block(value: dict[str, Any], column: int) -> str:
    lines = yaml.safe_dump(value, sort_keys=False, allow_unicode=True).splitlines()
    return "\n".join(f"{' ' * column}{line}" for line in lines)


def _flow(value: object) -> str:
    text = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10_000
    )
    return text.removesuffix("\n").removesuffix("\n...").strip()
