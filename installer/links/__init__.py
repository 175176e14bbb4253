"""What a cluster listens to and who connects to it: the table of its network."""

from installer.links.listeners import listeners
from installer.links.model import (
    EVERY_ADDRESS,
    LOOPBACK,
    Certificate,
    Link,
    Listener,
    Outside,
    Service,
    Tls,
    Transport,
)
from installer.links.table import links

__all__ = [
    "EVERY_ADDRESS",
    "LOOPBACK",
    "Certificate",
    "Link",
    "Listener",
    "Outside",
    "Service",
    "Tls",
    "Transport",
    "links",
    "listeners",
]
