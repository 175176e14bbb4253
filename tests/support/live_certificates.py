"""`cfy_manager certificates` of a cluster in the sandbox, and certificates that a user brings."""

import json
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from installer.pki.facts import issuer_name
from tests.support.cluster import Cluster
from tests.support.killed import Event, events_of
from tests.support.losses import say
from tests.support.tls import trusting
from tests.unit.installer.pki.makers import Made, leaf


def certificates(
    cluster: Cluster, verb: str, *words: str, **options: Any
) -> subprocess.CompletedProcess[str]:
    return cluster.manage("certificates", verb, "-i", str(cluster.inventory), *words, **options)


def told_by(cluster: Cluster, *words: str) -> list[Event]:
    """Run one of `certificates` to its end and return its events."""
    began = time.monotonic()
    events = events_of(certificates(cluster, *words, "--json").stdout)
    say(f"certificates {' '.join(words)}: {time.monotonic() - began:.1f} s")
    return events


@dataclass(frozen=True)
class Listing:
    """What `certificates list --live` told."""

    code: int
    ports: list[dict[str, Any]]

    @property
    def serials(self) -> dict[str, str]:
        return {f"{p['node']}:{p['port']}": p.get("serial", "") for p in self.ports}


def live(cluster: Cluster) -> Listing:
    said = certificates(cluster, "list", "--live", "--json", check=False)
    return Listing(said.returncode, json.loads(said.stdout)["ports"])


def shown_to(cluster: Cluster, trusted: Path) -> str:
    """Return who issued what the load balancer shows to a client."""
    with (
        cluster.network(),
        socket.create_connection((cluster.entry, 443), timeout=10) as plain,
        trusting(trusted).wrap_socket(plain, server_hostname=cluster.entry) as secure,
    ):
        found = secure.getpeercert(binary_form=True)
    return issuer_name(x509.load_der_x509_certificate(found or b""))


def authority(cluster: Cluster, stem: str = "ca") -> Made:
    """Return a CA of the cluster's folder."""
    folder = cluster.certificates
    return Made(
        certificate=x509.load_pem_x509_certificate((folder / f"{stem}.crt").read_bytes()),
        key=load_pem_private_key((folder / f"{stem}.key").read_bytes(), None),
    )


def put_authority(cluster: Cluster, made: Made, stem: str) -> None:
    """Put a CA of one's own into the cluster's folder."""
    (cluster.certificates / f"{stem}.key").write_bytes(made.key_pem())
    (cluster.certificates / f"{stem}.crt").write_bytes(made.pem)


@dataclass(frozen=True)
class Own:
    """A certificate of one's own for the managers' port 443: its files beside the inventory."""

    cluster: Cluster

    @property
    def folder(self) -> Path:
        return self.cluster.inventory.parent

    def paths(self, folder: Path) -> dict[str, str]:
        """Return the settings that name the files where they lie in a folder."""
        return {
            "external_cert_path": str(folder / "own.crt"),
            "external_key_path": str(folder / "own.key"),
            "external_ca_cert_path": str(folder / "own-ca.crt"),
        }

    def bring(self, issuer: Made, **changes: Any) -> Made:
        """Put a new one where the settings name it."""
        managers = self.cluster.having("manager")
        hosts = (*managers, *map(self.cluster.address, managers), self.cluster.entry)
        made = leaf(issuer, name="cloudify.example", hosts=hosts, **changes)
        (self.folder / "own.crt").write_bytes(made.pem)
        (self.folder / "own.key").write_bytes(made.key_pem())
        (self.folder / "own-ca.crt").write_bytes(issuer.pem)
        return made

    def name(self) -> None:
        """Name it in the inventory, as an operator does for `certificates replace`."""
        document = self.cluster.document
        document["settings"]["ssl_inputs"] = self.paths(self.folder)
        self.cluster.inventory.write_text(yaml.safe_dump(document))

    def name_no_more(self) -> None:
        """Take it from the inventory again; its files stay where they are."""
        document = self.cluster.document
        del document["settings"]["ssl_inputs"]
        self.cluster.inventory.write_text(yaml.safe_dump(document))

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.glob("own*")}
