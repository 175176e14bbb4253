"""What a folder of certificates holds, for a person to read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from installer.pki.facts import CertificateFacts, read_facts


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate in a folder; `facts` is None when the file holds none."""

    path: str  # relative to the folder
    facts: CertificateFacts | None


def list_certificates(folder: Path) -> Iterator[Entry]:
    """Yield every certificate of a cluster's folder, the CA's first."""
    for path in [folder / "ca.crt", *sorted(folder.glob("nodes/*/*.crt"))]:
        if path.is_file():
            yield Entry(str(path.relative_to(folder)), facts_or_none(path.read_bytes()))


def facts_or_none(pem: bytes) -> CertificateFacts | None:
    """Return what the certificate says, or None when the PEM holds none."""
    try:
        return read_facts(pem)
    except ValueError:
        return None
