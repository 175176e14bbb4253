"""A group of commands, of which each is imported when it is called."""

import importlib
from collections.abc import Mapping
from typing import Any

import click

from installer.cli.sections import Sections, in_sections

# command → module, attribute, help; the help stands there so that `-h` imports none of them
Table = Mapping[str, tuple[str, str, str]]


class LazyGroup(click.Group):
    """The commands of a table, in their sections."""

    def __init__(self, *words: Any, table: Table, sections: Sections, **options: Any) -> None:
        super().__init__(*words, **options)
        self._table = table
        self._sections = sections

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name, imported now."""
        if cmd_name not in self._table:
            return None
        module, attribute, _ = self._table[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by sections, without importing them."""
        for title, names in in_sections(self.list_commands(ctx), self._sections):
            with formatter.section(title):
                formatter.write_dl([(name, self._table[name][2]) for name in names])
