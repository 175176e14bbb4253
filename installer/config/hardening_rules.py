"""Rules of the preset `hardening: strict`: nothing may be set that the preset promises to close."""

from collections.abc import Iterator

from installer.config.model import Document
from installer.config.schema import config_schema, leaves
from installer.config.source import Finding, KeyPath, RuleTable, value_at

STRICT = "strict"
SHORTEST_PASSWORD = 16
# what strict closes: the key, the value that would open it again, and what it would open
_OPENINGS: tuple[tuple[KeyPath, object, str], ...] = (
    (("nginx", "rate_limit", "enabled"), False, "passwords could be guessed without a limit"),
    (
        ("restservice", "insecure_endpoints_disabled"),
        False,
        "endpoints would answer without a login",
    ),
    (
        ("postgresql_server", "ssl_client_verification"),
        False,
        "a password alone would open the database",
    ),
    (
        ("postgresql_client", "ssl_client_verification"),
        False,
        "a password alone would open the database",
    ),
)
# they hold where the database is the cluster's own
_OWN_DATABASE_ONLY = ("postgresql_server", "postgresql_client")


def is_strict(document: Document) -> bool:
    """Return whether a config.yaml or an inventory asks for the strict preset."""
    return bool(document.get("hardening") == STRICT)


def opening_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each setting of an inventory that opens what `strict` closes.

    Source: docs/decisions/0014-a-hardening-preset-is-a-promise.md.
    """
    if not is_strict(document):
        return
    settings = document["settings"]
    has_database = any("database" in node["roles"] for node in document["nodes"])
    for path, value, what in _OPENINGS:
        if path[0] in _OWN_DATABASE_ONLY and not has_database:
            continue
        if value_at(settings, path) == value:
            remedy = "remove it, or write `hardening: default`"
            yield Finding(("settings", *path), what, remedy, "hardening-opened")


def password_length_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each password of a config.yaml that is too short for `strict`.

    Source: NIST SP 800-63B-4, 3.1.1.2: 15 characters where a password stands alone.
    """
    if not is_strict(document):
        return
    for path, value, field in leaves(document, config_schema()):
        least = min(SHORTEST_PASSWORD, field.get("maxLength", SHORTEST_PASSWORD))
        if value and field.get("x-password") and len(value) < least:
            what = f"`hardening: strict` wants passwords of {SHORTEST_PASSWORD} characters"
            remedy = "remove it to have one generated, or choose a longer one"
            yield Finding(path, what, remedy, "hardening-password")


HARDENING_RULES: RuleTable = {password_length_findings: ("hardening",)}
INVENTORY_HARDENING_RULES: RuleTable = {opening_findings: ("hardening", "nodes", "settings")}
