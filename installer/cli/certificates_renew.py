"""`cfy_manager certificates renew` and `replace`: new certificates for a running cluster."""

from pathlib import Path

import click

from installer.actions.renewal import Renewed, RenewRequest, renew_certificates
from installer.cli.options import INVENTORY, JSON
from installer.inventory import Role
from installer.report import print_text, report_for

_NODE = click.option("--node", "nodes", multiple=True, help="This node only; repeatable.")


@click.command()
@INVENTORY
@_NODE
@click.option(
    "--service",
    "services",
    multiple=True,
    type=click.Choice([str(role) for role in Role]),
    help="What this service uses only; services of a node share its certificate. Repeatable.",
)
@click.option("--again", is_flag=True, help="Issue anew what a run that did not end has issued.")
@JSON
def renew(
    path: Path, nodes: tuple[str, ...], services: tuple[str, ...], *, again: bool, as_json: bool
) -> None:
    """Issue new certificates of the same CA and let services take them; none stops for it.

    Each port must then show its new certificate. A run that was killed or failed is gone on with.
    It works as well when every certificate has expired: nodes are reached over SSH.

    \b
    cfy_manager certificates renew -i ten-nodes.yaml
    cfy_manager certificates renew -i ten-nodes.yaml --node db-1 --service database
    """
    wanted = tuple(Role(service) for service in services)
    request = RenewRequest(nodes=nodes, services=wanted, again=again)
    renewed = renew_certificates(path, request, report_for(as_json=as_json))
    if not as_json:
        _tell(path, renewed, f"{len(renewed.issued)} certificates were issued. ")


@click.command()
@INVENTORY
@_NODE
@JSON
def replace(path: Path, nodes: tuple[str, ...], *, as_json: bool) -> None:
    """Bring the certificates that the settings name, or you put into the folder; issue none.

    They are checked before anything changes. Services take them without a stop, and each port must
    then show its own.

    \b
    cfy_manager certificates replace -i own-certificates.yaml
    """
    request = RenewRequest(nodes=nodes, issue=False)
    renewed = renew_certificates(path, request, report_for(as_json=as_json))
    if not as_json:
        _tell(path, renewed, "")


def _tell(path: Path, renewed: Renewed, first: str) -> None:
    print_text(f"{first}{renewed.proved} ports show what is configured.")
    print_text(f"Log   {renewed.log_path}")
    print_text(f"Next: cfy_manager certificates list --live -i {path}")
