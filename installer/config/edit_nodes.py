"""Add, remove and change nodes in the text of an inventory; everything else stays as it is."""

from collections.abc import Callable
from typing import Any

import yaml

from installer.config.edit import NotEditable, flow_text, with_value

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def with_node(text: str, node: dict[str, Any]) -> str:
    """Return an inventory's text with a further node, as the last one."""
    nodes = _nodes(text)
    last = _line_end(text, nodes.value[-1])
    line = f"{' ' * nodes.start_mark.column}- {flow_text(node)}"
    changed = f"{text[:last]}\n{line}{text[last:]}"
    return _demanded(text, changed, lambda found: [*found, node])


def without_node(text: str, name: str) -> str:
    """Return an inventory's text without a node; what is said around it stays."""
    item = _nodes(text).value[_place(text, name)]
    start = text.rfind("\n", 0, item.start_mark.index) + 1
    changed = text[:start] + text[_line_end(text, item) + 1 :]
    return _demanded(text, changed, lambda found: [n for n in found if n["name"] != name])


def with_node_value(text: str, name: str, key: str, value: str) -> str:
    """Return an inventory's text with another value of one of a node's keys."""
    return with_value(text, ("nodes", _place(text, name), key), value)


def _nodes(text: str) -> Any:
    """Return the list of nodes; raises NotEditable unless each stands on lines of its own."""
    document = yaml.compose(text, Loader=_Loader)
    pairs = document.value if isinstance(document, yaml.MappingNode) else ()
    nodes = next((value for key, value in pairs if key.value == "nodes"), None)
    if not isinstance(nodes, yaml.SequenceNode) or nodes.flow_style or not nodes.value:
        raise NotEditable("nodes")
    return nodes


def _place(text: str, name: str) -> int:
    names = [node.get("name") for node in yaml.safe_load(text)["nodes"]]
    if name not in names:
        raise NotEditable(f"nodes.{name}")
    return names.index(name)


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
