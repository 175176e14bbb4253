"""`cfy_manager certificates list`: what the folder holds, or with --live what the ports show."""

import json
from pathlib import Path

import click

from installer.actions.live_certificates import live_certificates
from installer.cli.options import INVENTORY
from installer.inventory import load_inventory
from installer.pki.listing import Entry, list_certificates
from installer.proof.handshake import Look, Shown
from installer.report import print_lines, print_text


@click.command("list")
@INVENTORY
@click.option("--live", is_flag=True, help="Ask each port which certificate it shows now.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_(path: Path, *, live: bool, as_json: bool) -> int:
    """Show every certificate of a cluster, its hosts and the days it has left.

    With --live every port with TLS is asked which one it shows, whether that is the one of the
    folder or of the settings, and whether clients accept it. Exit code: 0 all is as it must be, 1
    something is not.

    \b
    cfy_manager certificates list -i ten-nodes.yaml
    cfy_manager certificates list -i ten-nodes.yaml --live --json
    """
    if live:
        return _show_live(live_certificates(path), path, as_json=as_json)
    entries = tuple(list_certificates(load_inventory(path).certificates_path))
    if as_json:
        click.echo(json.dumps([_as_json(entry) for entry in entries]))
    else:
        heading = ("file", "expires", "days left", "key", "name and hosts")
        print_lines(heading, [_as_row(entry) for entry in entries])
    return 0


def _show_live(seen: Look, path: Path, *, as_json: bool) -> int:
    wrong = sum(not shown.is_proved for shown in seen.shown)
    if as_json:
        ports = [_live_as_json(shown) for shown in seen.shown]
        silent = {node: problem.as_json() for node, problem in seen.absent.items()}
        click.echo(json.dumps({"ports": ports, "unreachable": silent}))
        return 1 if wrong or silent else 0
    heading = ("node", "service", "port", "expires (UTC)", "days left", "serial", "state")
    print_lines(heading, [_live_row(shown) for shown in seen.shown])
    for problem in seen.absent.values():
        print_text(f"\n{problem}")
    if not wrong and not seen.absent:
        print_text(f"\nAll {len(seen.shown)} ports show what is configured.")
        return 0
    if wrong:
        print_text(f"\n{wrong} of {len(seen.shown)} ports do not show what is configured.")
        print_text(f"Next: cfy_manager certificates renew -i {path}")
    return 1


def _live_row(shown: Shown) -> tuple[str, ...]:
    at, facts = shown.listener, shown.found
    place = (at.node, str(at.service), str(at.port))
    if facts is None:
        return (*place, "-", "-", "-", shown.state)
    expires = f"{facts.not_after:%Y-%m-%d %H:%M}"
    return (*place, expires, str(facts.days_left()), facts.serial_text, shown.state)


def _live_as_json(shown: Shown) -> dict[str, object]:
    at, facts = shown.listener, shown.found
    told: dict[str, object] = {
        "node": at.node,
        "service": at.service,
        "port": at.port,
        "current": shown.is_current,
        "fault": shown.fault,
        "wanted_serial": shown.wanted.serial_text,
    }
    if facts is not None:
        told |= {
            "serial": facts.serial_text,
            "issuer": facts.issuer,
            "not_after": facts.not_after.isoformat(),
            "days_left": facts.days_left(),
        }
    return told


def _as_row(entry: Entry) -> tuple[str, ...]:
    facts = entry.facts
    if facts is None:
        return (entry.path, "-", "-", "-", "not a certificate")
    hosts = dict.fromkeys((facts.common_name, *facts.dns_names, *facts.addresses))
    expires, days = f"{facts.not_after:%Y-%m-%d}", str(facts.days_left())
    return (entry.path, expires, days, facts.key, " ".join(hosts))


def _as_json(entry: Entry) -> dict[str, object]:
    facts = entry.facts
    if facts is None:
        return {"file": entry.path, "readable": False}
    return {
        "file": entry.path,
        "readable": True,
        "common_name": facts.common_name,
        "issuer": facts.issuer,
        "dns_names": facts.dns_names,
        "addresses": facts.addresses,
        "usages": sorted(facts.usages),
        "key": facts.key,
        "not_before": facts.not_before.isoformat(),
        "not_after": facts.not_after.isoformat(),
        "days_left": facts.days_left(),
    }
