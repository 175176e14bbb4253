"""Every code that preflight may find, by which it is waived."""

from installer.preflight.checks import CODES as NODE_CODES
from installer.preflight.network import CODES as NETWORK_CODES

CODES = NODE_CODES | frozenset(NETWORK_CODES)
