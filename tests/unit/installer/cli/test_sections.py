"""`-h` shows every command once, in the section where a person looks for it."""

import click
import pytest

from installer.cli import COMMANDS, cfy_manager, cluster_group, run
from installer.cli.sections import CLUSTER, REST, ROOT, in_sections

GROUPS = {
    "root": (ROOT, sorted(COMMANDS)),
    "cluster": (CLUSTER, sorted(cluster_group.COMMANDS)),
}
COMMANDS_OF = [
    *((cfy_manager, name) for name in COMMANDS),
    *((cluster_group.cluster, name) for name in cluster_group.COMMANDS),
]


@pytest.mark.parametrize("group", GROUPS)
def test_no_command_stands_in_two_sections(group):
    sections, _ = GROUPS[group]
    names = [name for listed in sections.values() for name in listed]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("group", GROUPS)
def test_every_command_is_shown_once(group):
    sections, names = GROUPS[group]

    shown = [name for _, listed in in_sections(names, sections) for name in listed]

    assert sorted(shown) == sorted(names)


def test_a_command_without_a_section_is_shown_all_the_same():
    found = dict(in_sections(["stop", "new"], {"Halt": ("stop", "never-there")}))

    assert found == {"Halt": ["stop"], REST: ["new"]}


def test_help_has_the_sections(capsys):
    assert run(["cluster", "-h"]) == 0

    said = capsys.readouterr().out
    assert said.index("Day 1: build it:") < said.index("Day 2: watch it:") < said.index("The end:")
    assert "remove" in said[said.index("The end:") :]


@pytest.mark.parametrize(("group", "name"), COMMANDS_OF)
def test_a_table_leads_to_the_command_that_it_names(group, name):
    command = group.get_command(click.Context(group), name)

    assert command.name == name
