"""Take the avoidable cost out of `dsl_parser` without a change of its results.

`cloudify-common`'s parser spends most of its time on few things, each replaced from outside:

* It hands out a `copy.deepcopy` of an element's value at each access: 10 million copies for 300
  nodes. Values are plain data, for which `copy_plain` does the same ten times faster.
* Each node template is given a copy of all node types, to look one of them up. Those who ask for
  all types only read, so they get the types themselves.
* It asks for each pair of node templates whether one is related to the other, and walks the
  first one's tree each time. The walk is done once for each template.
* When relationships make a cycle it lists every cycle of the whole graph (20 s for two nodes)
  to name the first. One is looked for.
* It loads YAML in Python. libyaml does it in C; what libyaml refuses is loaded again in
  Python, so that errors read as ever.

`tests/unit/manager/dsl/test_speed.py` holds plans equal to those of the untouched parser.
"""

import copy
import types
from typing import Any

import networkx
import yaml
from dsl_parser import models, multi_instance, rel_graph, tasks, yaml_loader
from dsl_parser.elements import node_templates, node_types, relationships
from dsl_parser.framework import elements, parser
from dsl_parser.holder import Holder
from networkx.classes import digraph
from yaml import cyaml
from yaml.resolver import Resolver

from manager.dsl.bounds import check_depth, check_size

_ATOMS = frozenset({str, int, float, bool, type(None)})
_ONLY_READ = frozenset({node_types.NodeTypes, relationships.Relationships})
_MAPPINGS = frozenset({models.Plan, models.Version})
_C_PARSER: Any = getattr(cyaml, "CParser", None)  # absent where PyYAML was built without libyaml
_SHIM = types.SimpleNamespace()


def install() -> None:
    """Replace the slow parts of `dsl_parser` in this process; more than once does no harm."""
    _replace_copies()
    _replace_predicates()
    if _C_PARSER is not None:
        yaml_loader.load = load_yaml


def copy_plain(value: Any) -> Any:
    """Return a deep copy of plain data; anything else goes to `copy.deepcopy`.

    Other than `copy.deepcopy`, two references to one object become two objects.
    """
    kind = value.__class__
    if kind in _ATOMS:
        return value
    if kind is dict:
        return {
            key: item if item.__class__ in _ATOMS else copy_plain(item)
            for key, item in value.items()
        }
    if kind is list:
        return [item if item.__class__ in _ATOMS else copy_plain(item) for item in value]
    if kind in _MAPPINGS:
        clone = kind.__new__(kind)
        clone.update((key, copy_plain(item)) for key, item in value.items())
        return clone
    return copy.deepcopy(value)


def load_yaml(stream: str, filename: str | None) -> Holder:
    """Load YAML as `dsl_parser.yaml_loader.load` does: values know their places in the file.

    Raises DSLParsingFormatException beyond the bounds of `manager.dsl.bounds`.
    """
    try:
        check_depth(stream, filename)
        holder = _CLoader(stream, filename).get_single_data()
    except yaml.YAMLError:
        holder = yaml_loader.MarkedLoader(stream, filename).get_single_data()
    if holder is None:
        return Holder.of({}, filename=filename)
    check_size(holder, filename)
    return holder


def _copy_value(value: Any) -> Any:
    # A Holder is only ever the merged blueprint on its way out of the importer, which forgets it.
    return value if value.__class__ is Holder else copy_plain(value)


def _initial_value(element: Any) -> Any:
    return copy_plain(element._initial_value)


def _get_value(element: Any) -> Any:
    if element.__class__ in _ONLY_READ:
        return element._parsed_value
    if element._parsed_value is elements.UNPARSED:
        return _ORIGINAL_VALUE.fget(element)  # raises
    return _copy_value(element._parsed_value)


def _get_provided(element: Any) -> Any:
    return copy_plain(element._provided)


_ORIGINAL_VALUE: Any = elements.Element.value
_ORIGINAL_PROVIDED: Any = elements.Element.provided


def _replace_copies() -> None:
    elements.Element.initial_value = property(_initial_value)
    elements.Element.value = _ORIGINAL_VALUE.getter(_get_value)
    elements.Element.provided = _ORIGINAL_PROVIDED.getter(_get_provided)
    _SHIM.deepcopy, _SHIM.copy = copy_plain, copy.copy
    tasks.copy = multi_instance.copy = rel_graph.copy = _SHIM
    digraph.deepcopy = copy_plain  # a graph of nodes is reversed with all that they hold
    node_templates.NodeTemplates._fetch_node_plugins = _used_plugins


def _used_plugins(templates: Any, kind: str) -> list[dict[str, Any]]:
    """Return each plugin of a kind once, the last node's where several nodes name it."""
    used = {
        plugin["name"]: plugin for node in templates._parsed_value for plugin in node.get(kind, [])
    }
    return list(used.values())


def _replace_predicates() -> None:
    requires = node_templates.NodeTemplate.requires
    requires["self"][0].predicate = _is_related
    requires[node_types.NodeType][0].predicate = _is_of_type
    parser.recursive_simple_cycles = _one_cycle


def _is_related(source: Any, target: Any) -> bool:
    """Tell whether a node template has a relationship to another."""
    if not hasattr(source, "_related_names"):
        found = source.descendants(node_templates.NodeTemplateRelationshipTarget)
        source._related_names = [element.initial_value for element in found]
    return source.name != target.name and target.name in source._related_names


def _is_of_type(source: Any, target: Any) -> bool:
    """Tell whether a node type is the one that a node template names."""
    if not hasattr(source, "_type_name"):
        source._type_name = source.child(node_templates.NodeTemplateType).initial_value
    return bool(source._type_name == target.name)


def _one_cycle(graph: Any) -> list[list[Any]]:
    edges = networkx.find_cycle(graph)
    return [[source for source, _ in edges]]


if _C_PARSER is not None:

    class _CLoader(_C_PARSER, yaml_loader.HolderConstructor, Resolver):  # type: ignore[misc]
        """libyaml's parser under the original's constructor."""

        def __init__(self, stream: str, filename: str | None) -> None:
            _C_PARSER.__init__(self, stream)
            yaml_loader.HolderConstructor.__init__(self, filename)
            Resolver.__init__(self)
