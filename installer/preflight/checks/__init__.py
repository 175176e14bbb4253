"""Every check, in the order in which a report tells them."""

from installer.preflight.check import Check
from installer.preflight.checks.disk import CHECKS as DISK
from installer.preflight.checks.machine import CHECKS as MACHINE
from installer.preflight.checks.names import CHECKS as NAMES
from installer.preflight.checks.network import CHECKS as NETWORK
from installer.preflight.checks.software import CHECKS as SOFTWARE
from installer.preflight.checks.system import CHECKS as SYSTEM
from installer.preflight.examination import UNREACHABLE

CHECKS: tuple[Check, ...] = (*MACHINE, *SYSTEM, *DISK, *NAMES, *NETWORK, *SOFTWARE)
CODES = frozenset(check.code for check in CHECKS) | {UNREACHABLE}
