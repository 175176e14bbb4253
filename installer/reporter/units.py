"""The state of systemd units in the shape that status reports have had since 5.0.5."""

import subprocess
from collections.abc import Mapping
from typing import Any

_ACTIVE = {"active", "reloading"}


def unit_services(units: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the report's `services` for units by display name, from one call of systemctl."""
    command = [
        "systemctl",
        "show",
        "--property=Id,Description,ActiveState,SubState",
        *units.values(),
    ]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
    blocks = [_properties(block) for block in output.strip().split("\n\n")]
    return {
        name: _service(name, unit, properties)
        for (name, unit), properties in zip(units.items(), blocks, strict=True)
    }


def _properties(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines())


def _service(name: str, unit: str, properties: Mapping[str, str]) -> dict[str, Any]:
    active = properties["ActiveState"] in _ACTIVE
    instance = {
        "Id": properties["Id"],
        "Description": properties["Description"],
        "state": properties["SubState"] if active else "stopped",
    }
    systemd = {"instances": [instance], "display_name": name, "unit_id": unit}
    return {"status": "Active" if active else "Inactive", "extra_info": {"systemd": systemd}}
