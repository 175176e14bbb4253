"""Rules for backups: what each kind of repository needs, and what it leaves open."""

from collections.abc import Iterator, Mapping

from installer.config.model import Document
from installer.config.service_rules import has
from installer.config.source import Finding, KeyPath, RuleTable, value_at, warning

NO_REPOSITORY = "none"
_NEEDED: Mapping[str, tuple[KeyPath, ...]] = {
    "directory": (),
    "sftp": (("sftp", "host"), ("sftp", "private_key_path"), ("sftp", "known_hosts_path")),
    "s3": (("s3", "endpoint"), ("s3", "bucket"), ("s3", "access_key")),
}
_SECRETS: Mapping[str, tuple[KeyPath, ...]] = {"s3": (("s3", "secret_key"),)}


def node_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each key that a database node needs for its repository."""
    if not has(document, "database"):
        return
    backup = document["backup"]
    kind = str(backup["repository"])
    for key in (*_NEEDED.get(kind, ()), *_SECRETS.get(kind, ())):
        if not value_at(backup, key):
            yield _missing(("backup",), key, kind)


def inventory_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each thing that is wrong with the backups of a cluster.

    Secrets may stand in the secrets file; without nodes of its own a database is backed up by
    whoever runs it.
    """
    above: KeyPath = ("settings", "backup")
    backup = value_at(document, above)
    if not isinstance(backup, Mapping):
        return
    kind = str(backup.get("repository", NO_REPOSITORY))
    databases = sum("database" in node["roles"] for node in document["nodes"])
    if kind != NO_REPOSITORY and not databases:
        what = "no node of this cluster has the database: there is nothing to back up here"
        remedy = "remove it, and use the backups of the database's provider"
        yield Finding((*above, "repository"), what, remedy, "backup-without-database")
    for key in _NEEDED.get(kind, ()):
        if not value_at(backup, key):
            yield _missing(above, key, kind)
    if kind == "directory" and databases > 1:
        what = f"each of {databases} database nodes must see the same directory"
        remedy = "mount it from one server on all of them, or use sftp or s3; then waive this"
        yield warning((*above, "path"), what, remedy, "backup-directory-of-several")
    if kind == "directory" and databases == 1:
        what = "a directory on the database's own machine is lost with it"
        remedy = "mount it from another machine, or use sftp or s3; then waive this"
        yield warning((*above, "path"), what, remedy, "backup-beside-database")


def _missing(above: KeyPath, key: KeyPath, kind: str) -> Finding:
    what = f"`repository: {kind}` needs it"
    return Finding((*above, *key), what, "add it", "backup-key-missing")


BACKUP_RULES: RuleTable = {node_findings: ("services_to_install", "backup")}
INVENTORY_BACKUP_RULES: RuleTable = {inventory_findings: ("nodes", "settings")}
