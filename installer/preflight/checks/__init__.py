"""Every check, in the order in which a report tells them."""

from installer.preflight.check import Check
from installer.preflight.checks.machine import CHECKS as MACHINE
from installer.preflight.examination import UNREACHABLE

CHECKS: tuple[Check, ...] = (*MACHINE,)
CODES = frozenset(check.code for check in CHECKS) | {UNREACHABLE}
