"""`cfy_manager certificates` and `generate-test-cert`: make, list and check certificates."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from installer.actions.certificates import issued_problems
from installer.cli.certificates_forecast import forecast
from installer.cli.certificates_list import list_
from installer.cli.certificates_renew import renew, replace
from installer.cli.certificates_timer import timer
from installer.cli.rollover import rollover
from installer.errors import ConfigError
from installer.expand import certificate_requests
from installer.inventory import load_inventory
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
certificates.add_command(list_)
certificates.add_command(renew)
certificates.add_command(replace)
certificates.add_command(rollover)
certificates.add_command(timer)


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
