"""Bring certificates and CAs to every node of a cluster in which nothing works, all at once."""

from dataclasses import replace

from installer.actions.certificate_part import gate_part, trust_part
from installer.actions.cluster import Cluster
from installer.actions.options import RunOptions
from installer.actions.proof import RECOVERY_S, Proof
from installer.actions.rollout import roll_out, survey
from installer.events import Listener


def recover(cluster: Cluster, title: str, notify: Listener) -> None:
    """Bring what the folder holds, restart whom that concerns, and wait until all is whole.

    Nobody waits for another: no service works alone. The ports come first, the gates at the end.
    """
    jobs = cluster.jobs()
    with survey(jobs, part=trust_part) as seen:
        proof = Proof(cluster.inventory, cluster.inputs, seen.engine, RECOVERY_S)
        prove = proof.phase(tuple(seen.stages), notify)
        roll_out(seen, RunOptions(title=title), notify, last=(prove,))
        gates = replace(seen, part=gate_part).beside(jobs)
        roll_out(gates, RunOptions(title="Looking at the services"), notify)
