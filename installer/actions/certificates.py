"""Check the certificates that were issued for a cluster."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from installer.errors import ConfigError, Problem
from installer.expand import certificate_requests
from installer.inventory import Inventory
from installer.pki.request import Usage
from installer.pki.requirements import CertificateRequest
from installer.pki.store import CertificateStore
from installer.pki.verify import BroughtCertificate, PemFile, certificate_problems


def issued_problems(
    inventory: Inventory, *, nodes: Collection[str] | None = None, min_days: int = 30
) -> Iterator[Problem]:
    """Yield what is wrong with the certificates of a cluster's folder, as for brought ones.

    With `nodes` it is about theirs only.
    """
    store = CertificateStore(inventory.certificates_path)
    ca = PemFile("ca.crt", store.ca_certificate())
    for request in certificate_requests(inventory):
        if nodes is not None and request.node not in nodes:
            continue
        try:
            yield from certificate_problems(replace(_issued(store, ca, request), min_days=min_days))
        except ConfigError as missing:
            yield from missing.problems


def _issued(
    store: CertificateStore, ca: PemFile, request: CertificateRequest
) -> BroughtCertificate:
    stem = f"nodes/{request.node}/{request.name}"
    pair = store.pair(request.node, request.name)
    usages = tuple(Usage(usage) for usage in request.usages)
    return BroughtCertificate(
        certificate=PemFile(f"{stem}.crt", pair.certificate),
        key=PemFile(f"{stem}.key", pair.key),
        ca=ca,
        hosts=(*request.dns_names, *request.addresses),
        user=None if Usage.SERVER in usages else request.common_name,
        usages=usages,
    )
