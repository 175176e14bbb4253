"""Certificates for a trial, all from one CA in the user's home."""

from pathlib import Path

from installer.errors import ConfigError, Problem
from installer.pki.authority import create_authority, issue_leaf
from installer.pki.pairs import PairFolder
from installer.pki.requirements import host_leaf

_CA_NAME = "Cloudify test CA"


def issue_trial_certificate(folder: Path, hosts: tuple[str, ...]) -> tuple[Path, Path]:
    """Issue a certificate for these hosts and return its path and its key's; the first names it.

    The CA is made once and used again; raises ConfigError for what is no host.
    """
    if not hosts or hosts[0] == "ca":
        raise ConfigError(_no_name(hosts))
    leaf = host_leaf(hosts)
    files = PairFolder(folder)
    if not files.has("ca"):
        files.write("ca", create_authority(_CA_NAME))
    files.write(hosts[0], issue_leaf(files.pair("ca"), leaf))
    return files.path(f"{hosts[0]}.crt"), files.path(f"{hosts[0]}.key")


def _no_name(hosts: tuple[str, ...]) -> Problem:
    return Problem(
        where="--sans",
        what="'ca' is the name of the CA's own files" if hosts else "it names no host",
        remedy="give one or more names and addresses with commas between them: db-1,10.0.0.1",
    )
