"""The pairwise network matrix: every connection that the cluster needs, tried before it is made."""

from installer.preflight.network.examine import examine_network, network_results
from installer.preflight.network.findings import CODES, network_problems
from installer.preflight.network.matrix import matrix_document, matrix_legend, matrix_rows
from installer.preflight.network.plan import NetworkPlan, network_plan
from installer.preflight.network.trial import try_network
from installer.preflight.network.tried import Attempt, Fault, Tried

__all__ = [
    "CODES",
    "Attempt",
    "Fault",
    "NetworkPlan",
    "Tried",
    "examine_network",
    "matrix_document",
    "matrix_legend",
    "matrix_rows",
    "network_plan",
    "network_problems",
    "network_results",
    "try_network",
]
