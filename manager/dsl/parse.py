"""Parse a blueprint to a plan."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cloudify.exceptions import InvalidBlueprintImport
from dsl_parser import tasks
from dsl_parser.exceptions import DSLParsingException

from manager.dsl import speed
from manager.dsl.catalogue import Catalogue
from manager.dsl.resolver import ImportResolver
from manager.errors import ManagerError

Plan = dict[str, Any]

speed.install()


class InvalidBlueprint(ManagerError):
    """The blueprint breaks a rule of the DSL, or imports what cannot be had."""


def parse_blueprint(
    main_file: Path, catalogue: Catalogue | None = None, *, validate_version: bool = True
) -> Plan:
    """Return the plan of the blueprint whose folder holds `main_file`; raises InvalidBlueprint."""
    resolver = ImportResolver(main_file.parent, catalogue)
    with without_collector():
        try:
            plan: Plan = tasks.parse_dsl(
                str(main_file), None, resolver=resolver, validate_version=validate_version
            )
        except (InvalidBlueprintImport, DSLParsingException) as error:
            raise InvalidBlueprint(f"Invalid blueprint - {error}") from error
    return plan


@contextmanager
def without_collector() -> Iterator[None]:
    """Keep the cycle collector from walking a plan that only grows: a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
