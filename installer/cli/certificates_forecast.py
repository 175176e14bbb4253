"""`cfy_manager certificates forecast`: what will have expired by a date, and what it breaks."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from installer.cli.options import INVENTORY
from installer.foresight.expiry import Break, Expiry, ExpiryForecast, expiry_forecast
from installer.foresight.outlook import load_outlook
from installer.report import print_lines, print_text

_DAYS = 90


@click.command()
@INVENTORY
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%d"]),
    help=f"The end of this day, as 2027-01-31; otherwise {_DAYS} days from now.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def forecast(path: Path, at: datetime | None, as_json: bool) -> int:
    """Show which certificates will have expired by a date, in which order, and what that breaks.

    What is told is what follows if nobody renews them. Exit code: 0 nothing will have expired,
    1 something will.

    Example: cfy_manager certificates forecast -i ten-nodes.yaml --at 2027-12-31
    """
    outlook = load_outlook(path)
    found = expiry_forecast(outlook.inventory, outlook.layout, _moment(at))
    if as_json:
        click.echo(json.dumps(_as_json(found)))
    else:
        _tell(found, path)
    return 1 if found.expiries else 0


def _moment(at: datetime | None) -> datetime:
    if at is None:
        return datetime.now(UTC) + timedelta(days=_DAYS)
    return at.replace(tzinfo=UTC) + timedelta(days=1)


def _tell(found: ExpiryForecast, path: Path) -> None:
    if found.missing:
        issue = f"`cfy_manager certificates generate -i {path}`"
        print_text(f"{len(found.missing)} certificates are not issued yet: {issue}")
    day = f"{found.at - timedelta(seconds=1):%Y-%m-%d}"
    if not found.expiries:
        print_text(f"None of {found.known} certificates will have expired by {day}.")
        return
    print_text(f"By {day} {len(found.expiries)} of {found.known} certificates will have expired:\n")
    rows = [
        (f"{each.not_after:%Y-%m-%d %H:%M}", f"{each.renewed_from:%Y-%m-%d}", each.file)
        for each in found.expiries
    ]
    print_lines(("expires (UTC)", "renew from", "file"), rows)
    for each in found.expiries:
        print_text(f"\n{each.file}")
        for broken in each.breaks:
            print_text(f"  {_sentence(broken)}")
        if not each.breaks:
            print_text("  no link between nodes needs it")
    print_text(
        "\nWith all of them expired (whom others refuse counts as lost), once connections are new:"
    )
    print_lines(
        ("part", "outcome", "why"), [(fate.part, fate.outcome, fate.reason) for fate in found.fates]
    )
    print_text(f"\nNext: {_advice(found, path)}")


def _sentence(broken: Break) -> str:
    sources, targets = ", ".join(broken.sources), ", ".join(broken.targets)
    if broken.refused:
        return f"{targets} will refuse {sources}: {broken.service}"
    return f"{sources} will refuse {targets}: {broken.service}"


def _advice(found: ExpiryForecast, path: Path) -> str:
    first = found.expiries[0]
    if any(each.file == "ca.crt" for each in found.expiries):
        return (
            f"`cfy_manager certificates rollover -i {path}` replaces the CA; do so before it "
            "expires: no certificate of it is valid afterwards."
        )
    if not first.is_ours:
        return (
            f"bring a new certificate for {first.file}, then "
            f"`cfy_manager certificates replace -i {path}`."
        )
    return f"`cfy_manager certificates renew -i {path}` renews them, and no service stops for it."


def _as_json(found: ExpiryForecast) -> dict[str, Any]:
    return {
        "at": found.at.isoformat(),
        "known": found.known,
        "missing": list(found.missing),
        "expired": [_expiry_as_json(each) for each in found.expiries],
        "parts": {fate.part: fate.outcome for fate in found.fates},
    }


def _expiry_as_json(found: Expiry) -> dict[str, Any]:
    return {
        "file": found.file,
        "node": found.node,
        "common_name": found.common_name,
        "not_after": found.not_after.isoformat(),
        "renewed_from": found.renewed_from.isoformat(),
        "breaks": [asdict(broken) for broken in found.breaks],
    }
