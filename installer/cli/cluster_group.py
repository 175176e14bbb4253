"""`cfy_manager cluster`: those of its commands that only read the inventory start quickly."""

import importlib

import click

from installer.cli.sections import CLUSTER, in_sections

_HELP_LENGTH = 110  # of the first sentence; it is wrapped
# command → module, attribute, help; the others are in cli/cluster.py, which imports the engine
QUICK = {
    "forecast": (
        "installer.cli.foresight",
        "forecast",
        "How long each loss would interrupt the cluster, and why.",
    ),
    "whatif": (
        "installer.cli.foresight",
        "whatif",
        "What survives when nodes or zones are lost.",
    ),
    "may-stop": (
        "installer.cli.may_stop",
        "may_stop",
        "May these hosts stop now, and which may be next?",
    ),
    "status": (
        "installer.cli.status",
        "status",
        "How every node and service is now, and what is wrong.",
    ),
    "graph": ("installer.cli.graph", "graph", "Draw the cluster as SVG, Mermaid or text."),
}


class ClusterGroup(click.Group):
    """The commands of `cluster`, imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted([*QUICK, *_rest().list_commands(ctx)])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name, imported now."""
        if cmd_name not in QUICK:
            return _rest().get_command(ctx, cmd_name)
        module, attribute, _ = QUICK[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by sections: when a person needs them."""
        for title, names in in_sections(self.list_commands(ctx), CLUSTER):
            with formatter.section(title):
                formatter.write_dl([(name, self._help(ctx, name)) for name in names])

    def _help(self, ctx: click.Context, name: str) -> str:
        if name in QUICK:
            return QUICK[name][2]
        command = self.get_command(ctx, name)
        return command.get_short_help_str(_HELP_LENGTH) if command else ""


def _rest() -> click.Group:
    group: click.Group = importlib.import_module("installer.cli.cluster").cluster
    return group


@click.group(cls=ClusterGroup, context_settings={"help_option_names": ["-h", "--help"]})
def cluster() -> None:
    """Plan, install, watch and foresee a whole cluster from its inventory.

    Example: cfy_manager cluster install -i inventories/ten-nodes.yaml
    """
