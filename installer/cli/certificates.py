"""`cfy_manager certificates` and `generate-test-cert`: make, list and check certificates."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from installer.actions.certificates import issued_problems
from installer.cli.certificates_forecast import forecast
from installer.cli.rollover import rollover
from installer.errors import ConfigError
from installer.expand import certificate_requests
from installer.inventory import load_inventory
from installer.pki.listing import Entry, list_certificates
from installer.pki.request import KeyType, Usage
from installer.pki.store import CertificateStore, Change
from installer.pki.trial import issue_trial_certificate
from installer.pki.verify import BroughtCertificate, PemFile, certificate_problems

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_INVENTORY = click.option("-i", "--inventory", type=_FILE, required=True, help="The cluster file.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Write JSON.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def certificates() -> None:
    """Make, list and check the certificates of a cluster.

    Example: cfy_manager certificates generate -i inventories/ten-nodes.yaml
    """


certificates.add_command(forecast)
certificates.add_command(rollover)


@certificates.command()
@_INVENTORY
@click.option(
    "--key-type",
    type=click.Choice([kind.value for kind in KeyType]),
    help="Of new keys; otherwise each keeps its type, and ec-p256 is the first.",
)
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True)
@click.option("--renew-days", type=click.IntRange(0), default=30, show_default=True)
@click.option("--dry-run", is_flag=True, help="Show what would be issued, and issue nothing.")
@_JSON
def generate(
    inventory: Path, key_type: str | None, as_json: bool, dry_run: bool, **lifetimes: int
) -> None:
    """Issue what lacks, what an address changed, and what expires within --renew-days.

    The rest is kept: a second run changes nothing. `cluster install` does the same by itself.

    Example: cfy_manager certificates generate -i ten-nodes.yaml --key-type rsa-2048
    """
    cluster = load_inventory(inventory)
    store = CertificateStore(
        cluster.certificates_path, key_type=KeyType(key_type) if key_type else None, **lifetimes
    )
    requests = certificate_requests(cluster)
    changes = store.pending(requests) if dry_run else store.ensure(requests)
    if as_json:
        rows = [{"file": change.path, "reason": change.reason} for change in changes]
        click.echo(json.dumps({"folder": str(store.folder), "issued": rows}))
        return
    _tell_changes(store.folder, changes, dry_run=dry_run)


@certificates.command("list")
@_INVENTORY
@_JSON
def list_(inventory: Path, as_json: bool) -> None:
    """Show every certificate of a cluster, its hosts and the days it has left.

    Example: cfy_manager certificates list -i ten-nodes.yaml --json
    """
    entries = tuple(list_certificates(load_inventory(inventory).certificates_path))
    if as_json:
        click.echo(json.dumps([_as_json(entry) for entry in entries]))
        return
    rows = [("file", "expires", "days left", "key", "name and hosts"), *map(_as_row, entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for *cells, hosts in rows:  # one line each, also in a pipe
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        click.echo("  ".join((*padded, hosts)))


@certificates.command()
@_INVENTORY
def verify(inventory: Path) -> None:
    """Check everything that was issued for a cluster, as a certificate that you bring is checked.

    Every problem is shown at once; the exit code is then 3.

    Example: cfy_manager certificates verify -i ten-nodes.yaml
    """
    problems = tuple(issued_problems(load_inventory(inventory)))
    if problems:
        raise ConfigError(*problems)
    click.echo("The certificates are good.")


@certificates.command()
@click.argument("certificate", type=_FILE)
@click.argument("key", type=_FILE)
@click.argument("ca", type=_FILE)
@click.option("--host", "hosts", multiple=True, help="A name or address to cover; repeatable.")
@click.option("--user", help="The user whose client certificate it is; it needs no host then.")
def check(certificate: Path, key: Path, ca: Path, hosts: tuple[str, ...], user: str | None) -> None:
    """Check a certificate that you bring: key, chain, dates, names, usages, a TLS handshake.

    CERTIFICATE holds its intermediates after it, CA the root that its readers trust.
    Every problem is shown at once; the exit code is then 3.

    Example: cfy_manager certificates check db-1.crt db-1.key ca.crt --host db-1 --host 10.0.0.11
    """
    brought = BroughtCertificate(
        certificate=PemFile("certificate", certificate.read_bytes(), str(certificate)),
        key=PemFile("key", key.read_bytes(), str(key)),
        ca=PemFile("CA", ca.read_bytes(), str(ca)),
        hosts=hosts,
        user=user,
        usages=(Usage.CLIENT,) if user else (Usage.SERVER, Usage.CLIENT),
    )
    problems = tuple(certificate_problems(brought))
    if problems:
        raise ConfigError(*problems)
    click.echo("The certificate is good.")


@click.command("generate-test-cert", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-s",
    "--sans",
    required=True,
    help="Names and addresses with commas between them; the first names the files.",
)
def generate_test_cert(sans: str) -> None:
    """Issue one certificate from a throw-away CA in ~/.cloudify-test-ca; not for production.

    Example: cfy_manager generate-test-cert -s manager-1,10.0.0.11
    """
    hosts = tuple(host.strip() for host in sans.split(",") if host.strip())
    folder = Path.home() / ".cloudify-test-ca"
    certificate, key = issue_trial_certificate(folder, hosts)
    click.echo(f"Certificate  {certificate}\nKey          {key}\nCA           {folder / 'ca.crt'}")


def _tell_changes(folder: Path, changes: Sequence[Change], *, dry_run: bool) -> None:
    for change in changes:
        click.echo(f"{'would issue' if dry_run else 'issued'} {change.path}: {change.reason}")
    click.echo(
        f"{len(changes) or 'No'} certificates {'to issue' if dry_run else 'issued'} in {folder}."
    )
    if not dry_run and any(change.path == "ca.crt" for change in changes):
        click.echo(
            f"Back up {folder / 'ca.key'} and give it to nobody: it signs every certificate."
        )


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
