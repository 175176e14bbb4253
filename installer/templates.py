"""Render the target files of `templates/`; a name that a template lacks is an error."""

import json
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_PACKAGE = Path(__file__).parent


def _folder() -> Path:
    shipped = _PACKAGE / "_templates"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "templates"


def sources() -> tuple[Path, ...]:
    """Return the files of all templates, sorted."""
    return tuple(sorted(path for path in _folder().rglob("*") if path.is_file()))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_folder()),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - configuration files, not pages
    )
    environment.filters["json"] = json.dumps
    environment.filters["literal"] = _sql_literal
    return environment


def _sql_literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def render(name: str, **values: object) -> bytes:
    """Return the file `templates/<name>` with its holes filled, as UTF-8."""
    return _environment().get_template(name).render(**values).encode()
