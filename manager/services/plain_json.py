"""JSON as PostgreSQL takes it: its text has no NUL."""

from typing import Any


def without_nul(value: Any) -> Any:
    """Return a JSON value whose strings and names lack the character NUL."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {without_nul(name): without_nul(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    return value
