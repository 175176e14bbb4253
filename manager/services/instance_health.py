"""What a node instance's system properties say of its health."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

_RELATIONSHIP_DRIFTS = (
    "source_relationships_configuration_drift",
    "target_relationships_configuration_drift",
)


def is_status_check_ok(system_properties: Mapping[str, Any] | None) -> bool:
    """Tell whether the last `check_status` succeeded; an instance never checked is not."""
    status = _mapping((system_properties or {}).get("status"))
    return bool(status.get("ok", False))


def has_configuration_drift(system_properties: Mapping[str, Any] | None) -> bool:
    """Tell whether `check_drift` found the instance, or one of its relationships, drifted."""
    properties = system_properties or {}
    relationships = (_mapping(properties.get(name)).values() for name in _RELATIONSHIP_DRIFTS)
    checks = chain([properties.get("configuration_drift")], *relationships)
    return any(_is_drift(_mapping(check)) for check in checks)


def _is_drift(check: Mapping[str, Any]) -> bool:
    return not check.get("ok", True) or check.get("result") is not None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
