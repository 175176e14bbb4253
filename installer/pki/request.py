"""What a certificate must say, checked when the value is made."""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from installer.errors import ConfigError, Problem

MAX_COMMON_NAME = 64  # RFC 5280, ub-common-name
_MAX_DNS_NAME = 253
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


class KeyType(StrEnum):
    """A kind of private key; P-256 is made in 0.1 ms, RSA 4096 in seconds."""

    EC_P256 = "ec-p256"
    RSA_2048 = "rsa-2048"
    RSA_4096 = "rsa-4096"


class Usage(StrEnum):
    """What a certificate proves in a TLS handshake."""

    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafRequest:
    """What a leaf certificate must say; raises ConfigError for what no certificate can say."""

    common_name: str
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    key_type: KeyType = KeyType.EC_P256
    days: int = 365
    usages: tuple[Usage, ...] = (Usage.SERVER, Usage.CLIENT)

    def __post_init__(self) -> None:
        problems = tuple(_request_problems(self))
        if problems:
            raise ConfigError(*problems)


def is_address(host: str) -> bool:
    """Return whether the text is an IP address (a zone such as %eth0 makes it none)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def is_dns_name(name: str) -> bool:
    """Return whether the text may stand in a certificate as a DNS name, `*.` before it or not."""
    labels = name.removeprefix("*.").split(".")
    return len(name) <= _MAX_DNS_NAME and all(_LABEL.fullmatch(label) for label in labels)


def _request_problems(request: LeafRequest) -> Iterator[Problem]:
    where = f"certificate of {request.common_name!r}"
    if not 1 <= len(request.common_name) <= MAX_COMMON_NAME:
        yield Problem(
            where=where,
            what=f"its name has {len(request.common_name)} characters",
            remedy=f"use 1 to {MAX_COMMON_NAME}: X.509 has no room for more",
        )
    if request.days < 1:
        yield Problem(
            where=where, what=f"{request.days} days is no lifetime", remedy="use 1 day or more"
        )
    if not request.usages:
        yield Problem(where=where, what="it has no usage", remedy="ask for server, client or both")
    for name in request.dns_names:
        if not is_dns_name(name):
            yield Problem(
                where=where,
                what=f"{name!r} is not a DNS name",
                remedy="use letters, digits, - and dots; an international name as xn--…",
            )
    for address in request.addresses:
        if not is_address(address):
            yield Problem(
                where=where, what=f"{address!r} is not an IP address", remedy="use an IP address"
            )
