"""What the trial means: one problem for each cause, however many connections it stops."""

from collections.abc import Iterator

from installer.errors import Problem, Severity
from installer.preflight.network.pairs import pair_problems, troubled_pairs
from installer.preflight.network.reach import reach_problems
from installer.preflight.network.requests import NO_ADDRESS
from installer.preflight.network.tls import tls_problems
from installer.preflight.network.tried import Tried

# every code, and what holds when it is not found
CODES = {
    "network-untested": "the node takes part in the trial of the network",
    "port-unbindable": "the ports of the services can be opened",
    "external-name-unresolved": "names of external services have addresses",
    "port-unreachable": "every port that the node connects to is reached",
    "asymmetric": "nodes reach each other in both directions",
    "node-isolated": "the node reaches others",
    "tls-untrusted": "certificates are of a CA that the other side trusts",
    "tls-name": "certificates are made out to the names that are asked for",
    "tls-expired": "no certificate has expired",
    "tls-not-yet-valid": "certificates are valid by the clock of the other side",
    "tls-handshake": "TLS is agreed upon",
    "slow-link": "answers come quickly, and data too",
    "mtu-black-hole": "large packets arrive",
}


def network_problems(tried: Tried) -> tuple[Problem, ...]:
    """Return what is wrong with the network, the gravest first."""
    attempts = tried.unexplained
    return (
        *_absent(tried),
        *_unopened(tried),
        *reach_problems(attempts),
        *tls_problems(attempts, troubled_pairs(attempts)),
        *pair_problems(attempts),
    )


def _absent(tried: Tried) -> Iterator[Problem]:
    for node, problem in tried.absent.items():
        yield Problem(
            where=node,
            what=f"its connections could not be tried: {problem.what}",
            remedy=problem.remedy,
            code="network-untested",
            severity=Severity.WARNING,
        )


def _unopened(tried: Tried) -> Iterator[Problem]:
    by_reason: dict[tuple[str, str], list[int]] = {}
    for (node, port), why in tried.unopened.items():
        if why == NO_ADDRESS:  # a check of the node tells that
            continue
        by_reason.setdefault((node, why), []).append(port)
    for (node, why), ports in by_reason.items():
        words = " ".join(map(str, sorted(ports)))
        yield Problem(
            where=node,
            what=f"cannot listen on port {words}: {why}",
            remedy=f"`journalctl -k -n 50` on {node} tells what forbids it",
            code="port-unbindable",
        )
