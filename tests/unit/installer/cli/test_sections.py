"""`-h` shows every command once, in the section where a person looks for it."""

import click
import pytest

from installer.cli import COMMANDS, run
from installer.cli.cluster_group import cluster
from installer.cli.sections import CLUSTER, REST, ROOT, in_sections

GROUPS = {
    "root": (ROOT, sorted(COMMANDS)),
    "cluster": (CLUSTER, cluster.list_commands(click.Context(cluster))),
}


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
