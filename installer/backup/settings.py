"""Where a node's backups go and how long they stay, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from installer.config.backup_rules import NO_REPOSITORY
from installer.config.model import NodeInputs
from installer.secrets import Secret

STANZA = "cloudify"
FOLDER = "/etc/pgbackrest"
CONFIG = f"{FOLDER}/pgbackrest.conf"
WORK = "/var/lib/postgresql/backup"  # locks, and what is restored before it counts
_DIRECTORY, _SFTP, _S3 = "directory", "sftp", "s3"
_FILES = {  # the option of pgBackRest that names a file → its name on the node, its keys
    "sftp-private-key-file": ("sftp.key", ("sftp", "private_key_path")),
    "sftp-known-host": ("known_hosts", ("sftp", "known_hosts_path")),
    "storage-ca-file": ("storage-ca.crt", ("s3", "ca_path")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSettings:
    """A repository, in pgBackRest's words, and the rules for what it holds."""

    repository: str
    path: str
    options: Mapping[str, str] = field(hash=False)  # of the kind of repository, without `repo1-`
    secrets: Mapping[str, Secret] = field(default_factory=dict, hash=False)  # likewise
    files: Mapping[str, bytes] = field(default_factory=dict, hash=False, repr=False)  # by name
    retention_full: int = 2
    retention_differential: int = 7
    schedule: Mapping[str, str] = field(default_factory=dict, hash=False)  # type → OnCalendar

    @property
    def is_directory(self) -> bool:
        """Tell whether backups are files on this machine, or on what it has mounted."""
        return self.repository == _DIRECTORY


def backup_settings(inputs: NodeInputs) -> BackupSettings | None:
    """Return a node's settings for backups; None where there is no repository."""
    section = inputs.config["backup"]
    kind = section["repository"]
    if kind == NO_REPOSITORY:
        return None
    files = {
        option: (name, inputs.read(section[keys[0]][keys[1]]))
        for option, (name, keys) in _FILES.items()
        if keys[0] == kind and section[keys[0]][keys[1]]
    }
    named = {option: f"{FOLDER}/{name}" for option, (name, _) in files.items()}
    retention, schedule = section["retention"], section["schedule"]
    return BackupSettings(
        repository=kind,
        path=section["path"],
        options={**_options(kind, section), **named},
        secrets=_secrets(kind, section),
        files=dict(files.values()),
        retention_full=retention["full"],
        retention_differential=retention["differential"],
        schedule={
            word: schedule[key]
            for word, key in (("full", "full"), ("diff", "differential"))
            if schedule[key]
        },
    )


def _options(kind: str, section: Mapping[str, Any]) -> dict[str, str]:
    own = section.get(kind, {})
    if kind == _SFTP:
        return {
            "type": "sftp",
            "sftp-host": own["host"],
            "sftp-host-port": str(own["port"]),
            "sftp-host-user": own["user"],
            "sftp-host-key-hash-type": "sha256",
            "sftp-host-key-check-type": "strict",
        }
    if kind == _S3:
        return {
            "type": "s3",
            "s3-endpoint": own["endpoint"],
            "s3-bucket": own["bucket"],
            "s3-region": own["region"],
            "s3-uri-style": "path" if own["path_style"] else "host",
        }
    return {"type": "posix"}


def _secrets(kind: str, section: Mapping[str, Any]) -> dict[str, Secret]:
    found: dict[str, Secret] = {}
    if kind == _S3:
        own = section["s3"]
        found |= {"s3-key": Secret(own["access_key"]), "s3-key-secret": Secret(own["secret_key"])}
    if section["encryption_password"]:
        found["cipher-pass"] = Secret(section["encryption_password"])
    return found
