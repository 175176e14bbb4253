"""The bytes of the certificates that a table of links names, as one node holds them."""

from installer.config.model import NodeInputs
from installer.config.source import KeyPath, value_at
from installer.links.model import Certificate


def pair_in(inputs: NodeInputs, certificate: Certificate | None) -> bytes | None:
    """Return a certificate and its key in one PEM; None where config.yaml names none."""
    if certificate is None:
        return None
    chain = file_in(inputs, certificate.certificate_key)
    key = file_in(inputs, certificate.key_key)
    return None if chain is None or key is None else chain.rstrip() + b"\n" + key


def file_in(inputs: NodeInputs, key: KeyPath | None) -> bytes | None:
    """Return the content of the file that a key of config.yaml names, if it names one."""
    path = value_at(inputs.config, key) if key else None
    return inputs.read(str(path)) if path else None
