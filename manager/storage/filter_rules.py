"""Filter rules and constraints of searches as SQL conditions on views."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, exists, not_, or_

from manager.errors import BadParameters
from manager.storage.models import Blueprint, BlueprintLabel, Deployment, DeploymentLabel
from manager.storage.view import View

Condition = ColumnElement[bool]
_LABELS: Mapping[Any, tuple[Any, Any, Any]] = {
    Deployment: (DeploymentLabel, DeploymentLabel.deployment_key, Deployment.key),
    Blueprint: (BlueprintLabel, BlueprintLabel.blueprint_key, Blueprint.key),
}
_ATTRIBUTE: Mapping[str, Callable[[Any, list[str]], Condition]] = {
    "any_of": lambda column, values: column.in_(values),
    "not_any_of": lambda column, values: column.not_in(values),
    "contains": lambda column, values: _any(column, "contains", values),
    "not_contains": lambda column, values: not_(_any(column, "contains", values)),
    "starts_with": lambda column, values: _any(column, "startswith", values),
    "ends_with": lambda column, values: _any(column, "endswith", values),
    "is_not_empty": lambda column, _values: and_(column.is_not(None), column != ""),
}
_WITHOUT_VALUES = ("is_null", "is_not_null", "is_not_empty")
_PATTERNS = {
    "contains": "contains",
    "starts_with": "starts_with",
    "ends_with": "ends_with",
    "equals_to": "any_of",
}


class InvalidFilterRule(BadParameters):
    """A rule that the resource cannot be filtered by."""

    code = "invalid_filter_rule"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what is compared (an attribute, or labels with a key), how, and with what."""

    kind: str
    key: str
    operator: str
    values: list[str]

    @classmethod
    def parse(cls, raw: object) -> "Rule":
        """Return a rule as requests have it; raises InvalidFilterRule."""
        if not isinstance(raw, Mapping):
            raise InvalidFilterRule("A filter rule must be an object")
        kind, key, operator = (raw.get(name) for name in ("type", "key", "operator"))
        if not isinstance(key, str) or not isinstance(operator, str):
            raise InvalidFilterRule("A filter rule needs `key` and `operator`, which are texts")
        if kind not in ("label", "attribute"):
            raise InvalidFilterRule("The `type` of a filter rule must be `label` or `attribute`")
        values = raw.get("values")
        values = [values] if isinstance(values, str) else values or []
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            raise InvalidFilterRule("The `values` of a filter rule must be texts")
        if not values and operator not in _WITHOUT_VALUES:
            raise InvalidFilterRule(f"The operator `{operator}` needs values")
        return cls(str(kind), key, operator, values)

    def condition(self, view: View) -> Condition:
        """Return the rule as a condition; raises InvalidFilterRule where it cannot be one."""
        if self.kind == "label":
            return self._of_labels(view)
        column = view.fields.get(self.key)
        if column is None or not isinstance(column.type, Text):
            raise InvalidFilterRule(f"{view.name} has no attribute `{self.key}` to filter by")
        if self.operator not in _ATTRIBUTE:
            raise InvalidFilterRule(
                f"The operator `{self.operator}` of an attribute must be one of "
                f"{', '.join(_ATTRIBUTE)}"
            )
        return _ATTRIBUTE[self.operator](column, self.values)

    def _of_labels(self, view: View) -> Condition:
        if view.model not in _LABELS:
            raise InvalidFilterRule(f"{view.name} has no labels")
        label, owner, key = _LABELS[view.model]
        present = exists().where(owner == key, label.name == self.key.lower())
        valued = present.where(label.value.in_(self.values))
        conditions = {
            "any_of": valued,
            "not_any_of": and_(present, not_(valued)),
            "is_null": not_(present),
            "is_not_null": present,
            "is_not": not_(valued),
        }
        if self.operator not in conditions:
            raise InvalidFilterRule(
                f"The operator `{self.operator}` of a label must be one of {', '.join(conditions)}"
            )
        return conditions[self.operator]


def rule_conditions(view: View, raw: object) -> Iterator[Condition]:
    """Yield the conditions of a search's `filter_rules`."""
    if not isinstance(raw, list):
        raise InvalidFilterRule("`filter_rules` must be a list")
    for one in raw:
        yield Rule.parse(one).condition(view)


def constraint_conditions(view: View, raw: object, name: str = "id") -> Iterator[Condition]:
    """Yield the conditions of a search's `constraints`; `name` is the field they are about."""
    if not isinstance(raw, Mapping):
        raise BadParameters("`constraints` must be an object")
    for key, value in raw.items():
        yield from _constraint(view, name, str(key), value)


def _constraint(view: View, name: str, key: str, value: Any) -> Iterator[Condition]:
    if key == "name_pattern":
        yield from _pattern(view, name, value)
    elif key == "labels":
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, Mapping):
                raise BadParameters("`labels` must be a list of objects")
            for label, wanted in item.items():
                rule = {"type": "label", "key": label, "operator": "any_of", "values": wanted}
                yield Rule.parse(rule).condition(view)
    else:
        field = {"tenants": "tenant_name", "valid_values": name}.get(key, key)
        rule = {"type": "attribute", "key": field, "operator": "any_of", "values": value}
        yield Rule.parse(rule).condition(view)


def _pattern(view: View, name: str, specification: object) -> Iterator[Condition]:
    if not isinstance(specification, Mapping):
        raise BadParameters("`name_pattern` must be an object")
    for operator, text in specification.items():
        if operator not in _PATTERNS:
            raise BadParameters(f"`{operator}` of a name_pattern is none of {list(_PATTERNS)}")
        rule = {"type": "attribute", "key": name, "operator": _PATTERNS[operator], "values": text}
        yield Rule.parse(rule).condition(view)


def _any(column: Any, method: str, values: list[str]) -> Condition:
    return or_(*(getattr(column, method)(value, autoescape=True) for value in values))
