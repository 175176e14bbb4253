"""Check the certificates that a config.yaml names: key, chain, dates, names and usages."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from installer.config.model import Document
from installer.config.service_rules import has
from installer.config.source import Finding, KeyPath, path_text, value_at

Reader = Callable[[str], bytes]

_SERVER, _CLIENT = ("server",), ("client",)
_DATABASE_CA: KeyPath = ("postgresql_server", "ca_path")
_CLUSTER: KeyPath = ("postgresql_server", "cluster")


# the certificate with which each service meets others: all of a node's are brought, or none
SERVICE_CERTIFICATES: Mapping[str, KeyPath] = {
    "database": ("postgresql_server", "cert_path"),
    "queue": ("rabbitmq", "cert_path"),
    "manager": ("ssl_inputs", "internal_cert_path"),
    "loadbalancer": ("loadbalancer", "cert_path"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateUse:
    """A certificate, its key and its CA by their keys in config.yaml, and what it is to serve."""

    certificate: KeyPath
    key: KeyPath
    ca: KeyPath
    hosts: tuple[str, ...] = ()
    user: str | None = None
    usages: tuple[str, ...] = _CLIENT

    @property
    def paths(self) -> tuple[KeyPath, KeyPath, KeyPath]:
        """Return the keys of the three files."""
        return self.certificate, self.key, self.ca


def brings_certificates(document: Document) -> bool:
    """Return whether config.yaml names certificates for the node's services; else we make them."""
    return any(
        has(document, service) and value_at(document, path)
        for service, path in SERVICE_CERTIFICATES.items()
    )


def lacking_certificate_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each service without a certificate beside one that has its own."""
    if brings_certificates(document):
        for service, path in SERVICE_CERTIFICATES.items():
            if has(document, service) and not value_at(document, path):
                what = "this service has no certificate, but others of this node have"
                remedy = "give each service its certificate, or none of them"
                yield Finding(path, what, remedy, "service-without-certificate")


def certificate_findings(document: Document, read: Reader) -> Iterator[Finding]:
    """Yield what is wrong with each certificate whose files can be read.

    Whether they can be read is another rule's question.
    """
    for use in certificate_uses(document):
        files = {path: str(value_at(document, path) or "") for path in use.paths}
        contents = _contents(files, read)
        if contents is not None:
            yield from _defects(use, files, contents)


def certificate_uses(document: Document) -> Iterator[CertificateUse]:
    """Yield the certificates that the node's services use."""
    if has(document, "database"):
        yield from _database_uses(document)
    if has(document, "queue"):
        yield _service_use(document, "rabbitmq", (*_SERVER, *_CLIENT))
    if has(document, "loadbalancer"):
        yield _service_use(document, "loadbalancer", _SERVER)
    if has(document, "manager"):
        yield from _manager_uses(document)


def _service_use(document: Document, section: str, usages: tuple[str, ...]) -> CertificateUse:
    return CertificateUse(
        certificate=(section, "cert_path"),
        key=(section, "key_path"),
        ca=(section, "ca_path"),
        hosts=_given(document["manager"]["private_ip"]),
        usages=usages,
    )


def _database_uses(document: Document) -> Iterator[CertificateUse]:
    yield _service_use(document, "postgresql_server", (*_SERVER, *_CLIENT))
    for section, prefix, user in (
        ("etcd", "patroni_", "patroni"),
        ("postgres", "replicator_", "replicator"),
        ("postgres", "superuser_", "postgres"),
    ):
        yield CertificateUse(
            certificate=(*_CLUSTER, section, f"{prefix}cert_path"),
            key=(*_CLUSTER, section, f"{prefix}key_path"),
            ca=_DATABASE_CA,
            user=user,
        )


def _manager_uses(document: Document) -> Iterator[CertificateUse]:
    manager, ssl = document["manager"], document["ssl_inputs"]
    external_ca = "external_ca_cert_path" if ssl["external_ca_cert_path"] else "ca_cert_path"
    for prefix, ca, host in (
        ("internal_", "ca_cert_path", manager["private_ip"]),
        ("external_", external_ca, manager["public_ip"]),
    ):
        yield CertificateUse(
            certificate=("ssl_inputs", f"{prefix}cert_path"),
            key=("ssl_inputs", f"{prefix}key_path"),
            ca=("ssl_inputs", ca),
            hosts=_given(host),
            usages=_SERVER,
        )
    yield CertificateUse(
        certificate=("ssl_inputs", "postgresql_client_cert_path"),
        key=("ssl_inputs", "postgresql_client_key_path"),
        ca=("postgresql_client", "ca_path"),
        user=document["postgresql_client"]["cloudify_username"],
    )


def _given(host: str) -> tuple[str, ...]:
    return (host,) if host else ()


def _contents(files: Mapping[KeyPath, str], read: Reader) -> dict[KeyPath, bytes] | None:
    try:
        return {path: read(file) for path, file in files.items()} if all(files.values()) else None
    except OSError:
        return None


def _defects(
    use: CertificateUse, files: Mapping[KeyPath, str], contents: Mapping[KeyPath, bytes]
) -> Iterator[Finding]:
    # imported here: cryptography takes a quarter of the time that a check of a file may take
    from installer.pki.request import Usage
    from installer.pki.verify import BroughtCertificate, PemFile, certificate_problems

    pem = {path: PemFile(path_text(path), contents[path], files[path]) for path in use.paths}
    brought = BroughtCertificate(
        certificate=pem[use.certificate],
        key=pem[use.key],
        ca=pem[use.ca],
        hosts=use.hosts,
        user=use.user,
        usages=tuple(Usage(usage) for usage in use.usages),
        min_days=0,
    )
    by_text = {path_text(path): path for path in use.paths}
    for problem in certificate_problems(brought):
        path = by_text[problem.where]
        what = f"{files[path]}: {problem.what}"
        yield Finding(path, what, problem.remedy, problem.code or "certificate-unfit")
