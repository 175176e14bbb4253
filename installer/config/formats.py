"""The formats that text values of config.yaml and the inventory may have."""

import ipaddress
import re

from jsonschema import FormatChecker

_LABEL = re.compile(r"^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$")
_TOKEN = re.compile(r"^ctok-[A-Za-z0-9]{10}-[A-Za-z0-9]{40}$")

# what a message says of a value that is not in the format
FORMAT_TEXTS = {
    "address": "is neither an IP address nor a host name",
    "ip": "is not an IP address",
    "address-or-network": "is no IP address, no network such as 10.0.0.0/24 and no host name",
    "host-name": "is not a host name: letters, digits and - between dots",
    "absolute-path": "is not an absolute path",
    "reporter-token": "is not a token as `status-reporter get-tokens` prints them",
}

FORMATS = FormatChecker(formats=())


def is_ip(text: str) -> bool:
    """Return whether the text is an IPv4 or IPv6 address, without brackets and zone."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


@FORMATS.checks("ip")
def _is_ip(value: object) -> bool:
    return not isinstance(value, str) or not value or is_ip(value)


@FORMATS.checks("host-name")
def _is_host_name(value: object) -> bool:
    """Source: RFC 1123, 2.1; a last label of digits would make a mistyped IPv4 address a name."""
    if not isinstance(value, str) or not value:
        return True
    labels = value.split(".")
    fits = len(value) <= 253 and all(_LABEL.match(label) for label in labels)
    return fits and not labels[-1].isdigit()


@FORMATS.checks("address")
def _is_address(value: object) -> bool:
    return _is_ip(value) or _is_host_name(value)


@FORMATS.checks("address-or-network")
def _is_address_or_network(value: object) -> bool:
    if not isinstance(value, str) or "/" not in value:
        return _is_address(value)
    try:
        ipaddress.ip_network(value)
    except ValueError:
        return False
    return True


@FORMATS.checks("absolute-path")
def _is_absolute_path(value: object) -> bool:
    return not isinstance(value, str) or not value or value.startswith("/")


@FORMATS.checks("reporter-token")
def _is_reporter_token(value: object) -> bool:
    return not isinstance(value, str) or not value or bool(_TOKEN.match(value))
