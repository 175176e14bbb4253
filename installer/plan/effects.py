"""What a change means for those who use the cluster: the operator decides by it when to run."""

from collections.abc import Mapping
from typing import NamedTuple


class Effect(NamedTuple):
    """What happens where the service has no peer, and where it has."""

    alone: str
    among_peers: str


_EFFECTS: Mapping[tuple[str, str], Effect] = {  # unit or step, verb
    ("patroni.service", "restart"): Effect(
        "PostgreSQL restarts: the database is away for seconds",
        "PostgreSQL restarts here; where it leads, a replica takes over (switchover)",
    ),
    ("patroni.service", "reload"): Effect("nothing is interrupted", "nothing is interrupted"),
    ("etcd.service", "restart"): Effect(
        "no failover is decided for seconds; the primary goes on",
        "the other members keep the quorum; nothing is interrupted",
    ),
    ("rabbitmq-server.service", "restart"): Effect(
        "messages wait for seconds; operations go on afterwards",
        "its clients connect to another broker; quorum queues go on",
    ),
    ("rabbitmq-server.service", "reload"): Effect(
        "nothing is interrupted", "nothing is interrupted"
    ),
    ("nginx.service", "restart"): Effect(
        "the REST service is away for a moment", "requests go to the other managers"
    ),
    ("nginx.service", "reload"): Effect("nothing is interrupted", "nothing is interrupted"),
    ("cloudify-restservice.service", "restart"): Effect(
        "the REST service is away for seconds", "requests go to the other managers"
    ),
    ("cloudify-mgmtworker.service", "restart"): Effect(
        "executions pause and go on", "another manager takes executions over, or they go on"
    ),
    ("haproxy.service", "restart"): Effect(
        "clients connect anew", "clients connect anew; a virtual IP moves to the other one"
    ),
    ("haproxy.service", "reload"): Effect("nothing is interrupted", "nothing is interrupted"),
    ("keepalived.service", "restart"): Effect(
        "the virtual IP is away for a moment", "the virtual IP moves to the other load balancer"
    ),
    ("Bring PostgreSQL's parameters into force", "step"): Effect(
        "PostgreSQL restarts where a parameter needs it: the database is away for seconds",
        "PostgreSQL restarts where a parameter needs it, member by member",
    ),
}


def effect_of(name: str, verb: str, nodes: int) -> str:
    """Return what a verb on a unit, or a step, means where so many nodes have it, if known."""
    effect = _EFFECTS.get((name, verb))
    if effect is None:
        return ""
    return effect.among_peers if nodes > 1 else effect.alone
