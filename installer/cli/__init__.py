"""The command line: one file per command group, imported only when it is called."""

from collections.abc import Sequence

import click

from installer.cli.failure import report_failure
from installer.cli.lazy_group import LazyGroup, Table
from installer.cli.sections import ROOT

COMMANDS: Table = {
    "add-networks": (
        "installer.cli.networks",
        "add_networks_to_node",
        "Give this node addresses in further networks.",
    ),
    "brokers": ("installer.cli.brokers", "brokers", "The brokers of the cluster: how each is."),
    "bundle": ("installer.cli.bundle", "bundle", "Build and verify the offline bundle."),
    "certificates": (
        "installer.cli.certificates",
        "certificates",
        "Make, list and check certificates.",
    ),
    "cluster": (
        "installer.cli.cluster_group",
        "cluster",
        "Plan, install, watch and foresee a whole cluster.",
    ),
    "dbs": ("installer.cli.dbs", "dbs", "The databases of the cluster: how each is."),
    "explain": (
        "installer.cli.explain",
        "explain",
        "What a code in [brackets] means, and what next.",
    ),
    "generate-test-cert": (
        "installer.cli.certificates",
        "generate_test_cert",
        "Issue one certificate from a throw-away CA.",
    ),
    "import": (
        "installer.cli.legacy",
        "import_command",
        "Take over a configuration of Cloudify 5 to 7.",
    ),
    "install": (
        "installer.cli.node",
        "install",
        "Install the services of this node's config.yaml.",
    ),
    "logs": ("installer.cli.logs", "logs", "Journals and log files in one archive."),
    "may-stop": ("installer.cli.may_stop", "may_stop_here", "May this host stop now?"),
    "node": ("installer.cli.node", "node", "Facts of this node."),
    "preflight": (
        "installer.cli.node",
        "preflight",
        "Examine this node before anything is changed on it.",
    ),
    "remove": ("installer.cli.node", "remove", "Take this node's services away."),
    "reset-admin-password": (
        "installer.cli.credentials",
        "reset_password",
        "Give the administrator another password.",
    ),
    "restart": ("installer.cli.services", "restart", "Stop and start this node's services."),
    "sandbox": (
        "installer.cli.sandbox",
        "sandbox",
        "Real Debian hosts on this machine, to try and test.",
    ),
    "sanity-check": (
        "installer.cli.sanity",
        "sanity_check",
        "Let a small blueprint go its whole way through this node.",
    ),
    "start": ("installer.cli.services", "start", "Start this node's services, in their order."),
    "status-reporter": (
        "installer.cli.status_reporter",
        "status_reporter",
        "The service that reports this node's status to the managers.",
    ),
    "stop": ("installer.cli.services", "stop", "Stop this node's services, in their order."),
    "support-bundle": (
        "installer.cli.support",
        "support_bundle",
        "State, configuration and logs of this node in one archive.",
    ),
    "update-encryption-key": (
        "installer.cli.credentials",
        "update_key",
        "Seal the manager's stored secrets with a new key.",
    ),
    "validate": ("installer.cli.validate", "validate", "Check config.yaml or an inventory."),
    "version": ("installer.cli.version", "version", "Which versions are installed here."),
}


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    sections=ROOT,
    context_settings={"help_option_names": ["-h", "--help"]},
)
def cfy_manager() -> None:
    """Build and run highly available Cloudify Manager clusters on Debian hosts.

    Each command has its own -h with an example. Exit codes: 0 done, 2 wrong command line, 3 invalid
    configuration, 4 preflight failed, 5 a node does not answer, 6 a phase failed, 7 not healthy,
    8 refused, 130 interrupted; of status, dbs list and brokers list: 0 healthy, 1 degraded, 2 down.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        result = cfy_manager.main(
            args=list(arguments), prog_name="cfy_manager", standalone_mode=False
        )
    except (Exception, KeyboardInterrupt) as error:
        return report_failure(error)
    return result if isinstance(result, int) else 0
