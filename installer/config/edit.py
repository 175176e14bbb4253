"""Change single values or nodes in the text of a YAML file; comments and all others stay."""

from collections.abc import Callable
from typing import Any

import yaml

from installer.config.merge import merged, nested

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INDENT = 2


class NotEditable(ValueError):
    """The text is written in a way that this cannot change; a person can."""


def with_value(text: str, path: tuple[str, ...], value: object) -> str:
    """Return the text with the value at a path of keys; what lacks of the path is made.

    Raises NotEditable when the result would not be the same document but for this value.
    """
    changed = _edited(text, path, value)
    wanted = merged(yaml.safe_load(text) or {}, nested(path, value))
    try:
        is_right = yaml.safe_load(changed) == wanted
    except yaml.YAMLError:
        is_right = False
    if not is_right:
        raise NotEditable(".".join(path))
    return changed


def with_node(text: str, node: dict[str, Any]) -> str:
    """Return an inventory's text with a further node, as the last one."""
    nodes = _nodes(text)
    last = _line_end(text, nodes.value[-1])
    line = f"{' ' * nodes.start_mark.column}- {_flow(node)}"
    changed = _put(text, last, last, f"\n{line}")
    return _demanded(text, changed, lambda found: [*found, node])


def without_node(text: str, name: str) -> str:
    """Return an inventory's text without a node; what is said around it stays."""
    item = _node(text, name)
    start = text.rfind("\n", 0, item.start_mark.index) + 1
    changed = _put(text, start, min(_line_end(text, item) + 1, len(text)), "")
    return _demanded(text, changed, lambda found: [n for n in found if n["name"] != name])


def with_node_value(text: str, name: str, key: str, value: str) -> str:
    """Return an inventory's text with another value of one of a node's keys."""
    item = _node(text, name)
    child = _child(item, key)
    if not isinstance(child, yaml.ScalarNode):
        raise NotEditable(f"nodes.{name}.{key}")
    changed = _put(text, child.start_mark.index, child.end_mark.index, _flow(value))
    return _demanded(
        text, changed, lambda found: [n | {key: value} if n["name"] == name else n for n in found]
    )


def _nodes(text: str) -> Any:
    """Return the list of nodes; raises NotEditable unless each stands on lines of its own."""
    document = yaml.compose(text, Loader=_Loader)
    nodes = _child(document, "nodes") if isinstance(document, yaml.MappingNode) else None
    if not isinstance(nodes, yaml.SequenceNode) or nodes.flow_style or not nodes.value:
        raise NotEditable("nodes")
    return nodes


def _node(text: str, name: str) -> Any:
    for item in _nodes(text).value:
        found = _child(item, "name") if isinstance(item, yaml.MappingNode) else None
        if found is not None and found.value == name:
            return item
    raise NotEditable(f"nodes.{name}")


def _line_end(text: str, node: Any) -> int:
    """Return where the last line of a node ends: marks of a block reach to what follows it."""
    while node.value and not isinstance(node, yaml.ScalarNode) and not node.flow_style:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    end = text.find("\n", node.end_mark.index)
    return len(text) if end < 0 else end


def _demanded(text: str, changed: str, change: Callable[[list[Any]], list[Any]]) -> str:
    """Return the changed text; raises NotEditable unless only the nodes changed, and as wanted."""
    wanted = yaml.safe_load(text)
    wanted["nodes"] = change(wanted["nodes"])
    try:
        is_right = yaml.safe_load(changed) == wanted
    except yaml.YAMLError:
        is_right = False
    if not is_right:
        raise NotEditable("nodes")
    return changed


def _edited(text: str, path: tuple[str, ...], value: object) -> str:
    node = yaml.compose(text, Loader=_Loader)
    if not isinstance(node, yaml.MappingNode):
        raise NotEditable(".".join(path))
    for at, key in enumerate(path):
        rest = path[at + 1 :]
        child = _child(node, key)
        if child is None:
            return _inserted(text, node, nested(path[at:], value), is_root=at == 0)
        if not rest or not isinstance(child, yaml.MappingNode):
            new = nested(rest, value) if rest else value
            return _replaced(text, node, child, new)
        node = child
    raise NotEditable(".".join(path))


def _child(node: Any, key: str) -> Any:
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
        value, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("\n...").strip()
