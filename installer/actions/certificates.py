"""Check the certificates that were issued for a cluster."""

from collections.abc import Iterator

from installer.errors import ConfigError, Problem
from installer.expand import certificate_requests
from installer.inventory import Inventory
from installer.pki.request import Usage
from installer.pki.requirements import CertificateRequest
from installer.pki.store import CertificateStore
from installer.pki.verify import BroughtCertificate, PemFile, certificate_problems


def issued_problems(inventory: Inventory) -> Iterator[Problem]:
    """Yield what is wrong with the certificates of a cluster's folder, as for brought ones."""
    store = CertificateStore(inventory.certificates_path)
    ca = PemFile("ca.crt", store.ca_certificate())
    for request in certificate_requests(inventory):
        try:
            yield from certificate_problems(_issued(store, ca, request))
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
