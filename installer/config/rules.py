"""Rules between the keys of config.yaml that no schema can say; each names its source."""

from collections import Counter
from collections.abc import Iterator, Mapping

from installer.config.backup_rules import BACKUP_RULES
from installer.config.certificates import lacking_certificate_findings
from installer.config.database_rules import DATABASE_RULES
from installer.config.hardening_rules import HARDENING_RULES
from installer.config.manager_rules import MANAGER_RULES
from installer.config.model import Document
from installer.config.port_rules import PORT_RULES
from installer.config.queue_rules import QUEUE_RULES
from installer.config.schema import config_schema, leaves
from installer.config.service_rules import SERVICE_RULES
from installer.config.source import Finding, KeyPath, RuleTable, value_at
from installer.config.waivers import waiver_findings

_SHORTEST_PASSWORD = 8
# the defaults of Cloudify's own config.yaml and of its examples, and the usual ones
_KNOWN_PASSWORDS = frozenset(
    [
        *("<removed>", "admin", "c10udify", "c10udify_db_monitoring", "cloudify", "m0n1torify"),
        *("testuserpassword", "administrator", "changeit", "changeme", "guest", "secret"),
        *("iloveyou", "letmein1", "passw0rd", "password", "password1", "postgres", "rabbitmq"),
        *("admin123", "cloudify123", "qwerty123", "12345678", "123456789", "1234567890"),
    ]
)

_PAIRS: tuple[tuple[KeyPath, KeyPath], ...] = tuple(
    ((*section, f"{name}cert_path"), (*section, f"{name}key_path"))
    for section, names in {
        ("postgresql_server",): ("",),
        ("postgresql_server", "cluster", "etcd"): ("root_", "patroni_"),
        ("postgresql_server", "cluster", "postgres"): ("replicator_", "superuser_"),
        ("rabbitmq",): ("",),
        ("loadbalancer",): ("",),
        ("ssl_inputs",): (
            "internal_",
            "external_",
            "postgresql_client_",
            "postgresql_superuser_client_",
        ),
    }.items()
    for name in names
)


def address_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each of the node's own addresses that is not given."""
    for key, option in (("private_ip", "--private-ip"), ("public_ip", "--public-ip")):
        if not document["manager"][key]:
            yield Finding(
                ("manager", key),
                "the node's address is missing",
                f"add it, or give {option}; both may be the same address",
                "address-missing",
            )


def password_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each password that others know or can guess.

    Source: NIST SP 800-63B, 5.1.1.2: at least 8 characters, none of a list of known ones.
    """
    for path, value, field in leaves(document, config_schema()):
        fault = password_fault(value) if value and field.get("x-password") else None
        if fault:
            remedy = "remove it to have one generated, or choose 16 random letters and digits"
            yield Finding(path, fault, remedy, "weak-password")


def password_fault(password: str) -> str | None:
    """Return why others may know or guess a password, or None."""
    if len(password) < _SHORTEST_PASSWORD:
        return f"the password has fewer than {_SHORTEST_PASSWORD} characters"
    if password.lower() in _KNOWN_PASSWORDS or len(set(password)) == 1:
        return "the password is a well-known one"
    return None


def user_as_password_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each user whose password is the user's name."""
    for section, user, password in (
        (("manager", "security"), "admin_username", "admin_password"),
        (("postgresql_client",), "server_username", "server_password"),
        (("postgresql_client",), "cloudify_username", "cloudify_password"),
        (("rabbitmq",), "username", "password"),
    ):
        values = value_at(document, section)
        if isinstance(values, Mapping) and values[password] == values[user]:
            what = "the password is the user's name"
            remedy = "choose 16 random letters and digits"
            yield Finding((*section, password), what, remedy, "weak-password")


def pair_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each certificate without its key, and the other way round."""
    for certificate, key in _PAIRS:
        has_certificate = bool(value_at(document, certificate))
        has_key = bool(value_at(document, key))
        if has_certificate and not has_key:
            what = f"{certificate[-1]} is given without its key"
            yield Finding(key, what, "give both or none", "half-pair")
        elif has_key and not has_certificate:
            what = f"{key[-1]} is given without its certificate"
            yield Finding(certificate, what, "give both or none", "half-pair")


def twice_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each address that two members of one list share."""
    for path, key_below in (
        (("postgresql_server", "cluster", "nodes"), ("ip",)),
        (("rabbitmq", "cluster_members"), ("networks", "default")),
        (("loadbalancer", "managers"), ("address",)),
        (("loadbalancer", "peers"), ("address",)),
        (("manager", "cluster_members"), ("address",)),
    ):
        members = value_at(document, path)
        if isinstance(members, Mapping):
            yield from _twice(path, {name: (name, *key_below) for name in members}, members)


def _twice(path: KeyPath, below: Mapping[str, KeyPath], members: Document) -> Iterator[Finding]:
    addresses = {name: str(value_at(members, keys) or "") for name, keys in below.items()}
    counts = Counter(addresses.values())
    for name, address in addresses.items():
        if address and counts[address] > 1:
            what = f"{address} is the address of {counts[address]} members"
            remedy = "give each member its own address"
            yield Finding((*path, *below[name]), what, remedy, "address-twice")


CONFIG_RULES: RuleTable = {
    address_findings: ("manager",),
    password_findings: (),
    user_as_password_findings: (),
    pair_findings: (),
    lacking_certificate_findings: ("services_to_install",),
    twice_findings: (),
    waiver_findings: ("waive",),
    **SERVICE_RULES,
    **BACKUP_RULES,
    **DATABASE_RULES,
    **QUEUE_RULES,
    **PORT_RULES,
    **HARDENING_RULES,
    **MANAGER_RULES,
}
