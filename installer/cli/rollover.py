"""`cfy_manager certificates rollover`: change a cluster's CA under its clients' eyes."""

import json
from pathlib import Path
from typing import Any

import click

from installer.actions.rollover import RolloverRequest
from installer.actions.rollover_nodes import roll_over_cluster
from installer.cli.options import INVENTORY, JSON
from installer.inventory import load_inventory
from installer.pki.facts import CertificateFacts
from installer.pki.request import KeyType
from installer.pki.rollover import Authorities, CaRollover, Progress
from installer.report import print_text, report_for

_UNTIL = {"trust": Progress.TRUSTED, "leaves": Progress.ISSUING}
_WORDS = {
    Progress.NONE: "no change is under way",
    Progress.MADE: "1 of 4: a new CA is made; nobody trusts it yet",
    Progress.TRUSTED: "2 of 4: both CAs become trusted; the old one issues",
    Progress.ISSUING: "3 of 4: both CAs are trusted; the new one issues",
    Progress.WITHDRAWN: "4 of 4: the old CA leaves the nodes",
}


@click.command()
@INVENTORY
@click.option(
    "--until",
    type=click.Choice([*_UNTIL]),
    help="Stop when both CAs are trusted, or when all certificates are new; then go on later.",
)
@click.option("--back", is_flag=True, help="Turn round: the old CA comes back, the new one goes.")
@click.option("--status", "only_status", is_flag=True, help="Tell how far it is; change nothing.")
@click.option(
    "--key-type",
    type=click.Choice([kind.value for kind in KeyType]),
    help="Of the new CA's key; otherwise that of the old one.",
)
@JSON
def rollover(  # noqa: PLR0913 - one for each option
    path: Path,
    until: str | None,
    key_type: str | None,
    *,
    back: bool,
    only_status: bool,
    as_json: bool,
) -> None:
    """Give the cluster a new CA without an outage: trust both, renew all, drop the old one.

    Handshakes on every port prove each step before the next. A run that was killed or failed is
    gone on with by the same command. Clients outside of the cluster need the new ca.crt before
    certificates change: `--until trust` gives you the time to hand it to them.

    \b
    cfy_manager certificates rollover -i ten-nodes.yaml --until trust
    cfy_manager certificates rollover -i ten-nodes.yaml
    """
    change = CaRollover(load_inventory(path).certificates_path)
    if not only_status:
        request = RolloverRequest(
            until=_UNTIL[until] if until else None,
            back=back,
            key_type=KeyType(key_type) if key_type else None,
        )
        roll_over_cluster(path, request, report_for(as_json=as_json))
    found = change.authorities()
    if as_json:
        click.echo(json.dumps(_as_json(found, change.folder)))
    else:
        _tell(found, change.folder, path)


def _tell(found: Authorities, folder: Path, path: Path) -> None:
    is_coming = found.progress in (Progress.MADE, Progress.TRUSTED)
    print_text(f"CA        {_named(found.issuer)}, issues")
    if found.other is not None:
        print_text(f"          {_named(found.other)}, {'comes' if is_coming else 'goes'}")
    print_text(f"Rollover  {_WORDS[found.progress]}")
    print_text(f"Trust     {folder / 'ca.crt'}")
    if found.progress is Progress.TRUSTED:
        print_text(
            "Before you go on, give that file to clients outside of the cluster, such as cfy."
        )
    if found.progress is not Progress.NONE:
        print_text(f"Go on     cfy_manager certificates rollover -i {path}")
        print_text(f"Or back   cfy_manager certificates rollover -i {path} --back")
        return
    print_text(f"Clients outside of the cluster trust that file; back up {folder / 'ca.key'}.")


def _named(facts: CertificateFacts) -> str:
    return f"{facts.common_name} (until {facts.not_after:%Y-%m-%d})"


def _as_json(found: Authorities, folder: Path) -> dict[str, Any]:
    return {
        "kind": "summary",
        "progress": str(found.progress),
        "issuer": found.issuer.common_name,
        "other": found.other.common_name if found.other else None,
        "trust": str(folder / "ca.crt"),
    }
