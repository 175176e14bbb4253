"""`cfy_manager cluster`, of whose commands each is imported when it is called."""

import click

from installer.cli.lazy_group import LazyGroup, Table
from installer.cli.sections import CLUSTER

COMMANDS: Table = {
    "add-networks": (
        "installer.cli.networks",
        "add_networks_to_cluster",
        "Let agents of a further network reach managers and brokers by addresses of their own.",
    ),
    "add-node": (
        "installer.cli.change_members",
        "add_node",
        "Add nodes to a running cluster and make every other member know them.",
    ),
    "backup": (
        "installer.cli.backup",
        "backup",
        "Back the cluster up into the repository that the inventory describes.",
    ),
    "drift": (
        "installer.cli.plan",
        "drift",
        "Show what differs from what the last run wrote: written, found and wanted, side by side.",
    ),
    "forecast": (
        "installer.cli.foresight",
        "forecast",
        "How long each loss would interrupt the cluster, and why.",
    ),
    "graph": ("installer.cli.graph", "graph", "Draw the cluster as SVG, Mermaid or text."),
    "install": (
        "installer.cli.install_cluster",
        "install",
        "Bring every node to its state; run it again after an interruption or a change.",
    ),
    "logs": ("installer.cli.logs", "logs_of_cluster", "Journals and log files of all nodes."),
    "may-stop": (
        "installer.cli.may_stop",
        "may_stop",
        "May these hosts stop now, and which may be next?",
    ),
    "plan": (
        "installer.cli.plan",
        "plan",
        "Show what `install` would change on each node, and change nothing there.",
    ),
    "preflight": (
        "installer.cli.install_cluster",
        "preflight",
        "Examine every node before anything is changed on one; exit 4 when something forbids it.",
    ),
    "remove": (
        "installer.cli.remove_cluster",
        "remove",
        "Take the cluster away from all hosts: services, packages that came with them, all data.",
    ),
    "remove-node": (
        "installer.cli.change_members",
        "remove_node",
        "Take nodes out of a running cluster, out of the inventory, and clean their hosts.",
    ),
    "replace-node": (
        "installer.cli.change_members",
        "replace_node",
        "Put a new machine in the place of a node that is dead, or alive and to be made anew.",
    ),
    "reset-admin-password": (
        "installer.cli.credentials",
        "reset_password_of_cluster",
        "Give the cluster's administrator another password and unlock the account.",
    ),
    "restart": (
        "installer.cli.restart",
        "restart",
        "Restart services role by role, one node at a time, so that clients go on.",
    ),
    "restore": (
        "installer.cli.backup",
        "restore",
        "Bring the cluster back to a backup or a moment; without either, to all that is archived.",
    ),
    "sanity-check": (
        "installer.cli.sanity",
        "sanity_check_of_cluster",
        "Upload a small blueprint, install it, read what it says, and take all of it away.",
    ),
    "start": (
        "installer.cli.halt",
        "start",
        "Start every service of the cluster, each role once those that it needs are healthy.",
    ),
    "status": (
        "installer.cli.status",
        "status",
        "How every node and service is now, and what is wrong.",
    ),
    "stop": (
        "installer.cli.halt",
        "stop",
        "Stop every service of the cluster: clients' way in first, the database last.",
    ),
    "support-bundle": (
        "installer.cli.support",
        "support_bundle_of_cluster",
        "Gather state, configuration and logs of all nodes into one archive, secrets masked.",
    ),
    "update-encryption-key": (
        "installer.cli.credentials",
        "update_key_of_cluster",
        "Seal the stored secrets with a new key, one manager's restart after the other.",
    ),
    "upgrade": (
        "installer.cli.upgrade",
        "upgrade",
        "Bring packages and runtime to another bundle, one node at a time, so that clients go on.",
    ),
    "version": (
        "installer.cli.version",
        "version_of_cluster",
        "Tell the versions of cfy_manager, of the runtime and of the services on every node.",
    ),
    "whatif": (
        "installer.cli.foresight",
        "whatif",
        "What survives when nodes or zones are lost.",
    ),
}


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    sections=CLUSTER,
    context_settings={"help_option_names": ["-h", "--help"]},
)
def cluster() -> None:
    """Plan, install, watch and foresee a whole cluster from its inventory.

    Example: cfy_manager cluster install -i inventories/ten-nodes.yaml
    """
