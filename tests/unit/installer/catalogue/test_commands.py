"""Every command line that the catalogue tells to type is one that `cfy_manager` takes."""

import re

import click
import pytest

from installer.catalogue import entries
from installer.cli import cfy_manager

# to the end of the command: a quote, what joins it to another one, or the rest of a sentence
COMMAND = re.compile(r"\bcfy_manager (?!itself\b)([^`;,|&#]+)")
TOLD = sorted(
    {
        (found.code, line.rstrip(". "))
        for found in entries()
        for text in (found.title, found.cause, found.evidence, *found.next)
        for line in COMMAND.findall(text)
    }
)


def not_taken(line):
    """Return the words of a command line that lead to no command, or are no option of it."""
    words, command = line.split(), cfy_manager
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(click.Context(command), words[0])
        if command is None:
            return words[:1]
        words = words[1:]
    options = {"-h", "--help"}.union(*(parameter.opts for parameter in command.params))
    return [word for word in words if word.startswith("-") and word not in options]


@pytest.mark.parametrize(("code", "line"), TOLD)
def test_a_command_that_is_told_is_taken(code, line):
    assert not_taken(line) == []
