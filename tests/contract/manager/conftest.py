"""The fixtures of a bootstrapped manager."""

from tests.support.manager_app import (
    api,
    bootstrapped,
    certificate,
    database,
    empty_database,
    postgres,
    publisher,
    settings,
    shared,
    tokens,
)

__all__ = [
    "api",
    "bootstrapped",
    "certificate",
    "database",
    "empty_database",
    "postgres",
    "publisher",
    "settings",
    "shared",
    "tokens",
]
