"""What a broker does before it leaves its cluster, and those that stay afterwards."""

import shlex

from installer.roles.queue.settings import Member, QueueSettings
from installer.roles.queue.state import UNIT, queue_probe
from installer.state import Step

_DRAINED = "rabbit_maintenance:mark_as_being_drained()."
_NOWHERE = "{255,255,255,255}"  # the kernel refuses to connect to it


def drain_broker(queue: QueueSettings) -> Step:
    """Return the step by which a running broker leaves its queues to those that have replicas.

    It is marked as drained first: whenever a queue is made, brokers give back to all others what
    they lack of replicas, and spare those that are drained. Its next start takes the mark away.
    The whole of maintenance mode would close the API that tells whether any queues are left.
    A queue whose leader is new refuses to shrink for a moment, of which no exit code tells.
    Source: RabbitMQ, "Quorum Queues", "Managing Replicas" and "Continuous Membership
    Reconciliation".
    """
    return Step(
        name="Leave the queues to the other brokers",
        guard=f"! systemctl is-active --quiet {UNIT} || {{\n{_emptied(queue, queue.name)}}}",
        script=_persistently(_tell(_DRAINED)) + _shrink_until_emptied(queue, queue.name),
        secrets={"BROKER_PASSWORD": queue.password},
        timeout_s=180,
    )


def _shrink_until_emptied(queue: QueueSettings, name: str) -> str:
    return f"""\
for try in 1 2 3; do
    rabbitmq-queues --silent shrink {shlex.quote(f"rabbit@{name}")} || continue
    if {_emptied(queue, name)}    then break; fi
done
"""


def _emptied(queue: QueueSettings, name: str) -> str:
    return queue_probe("emptied", queue.name, queue.username, name).removeprefix("exec ")


def _persistently(command: str) -> str:
    """Return shell text that tries three times: a busy broker answers the tools late."""
    return f"{command} || {command} || {command}\n"


def forget_broker(queue: QueueSettings, leaving: Member) -> Step:
    """Return the step by which a broker that stays takes a stopped one out of the cluster.

    For each queue it tries to reach the other one: that must not wait for a host that is dead.
    A queue that stays with a member that is forgotten would count it towards its quorum for good.
    """
    name = shlex.quote(f"rabbit@{leaving.name}")
    return Step(
        name=f"Remove {leaving.name} from the cluster of brokers",
        guard=queue_probe("forgotten", queue.name, queue.username, leaving.name),
        script=_lead_nowhere(leaving)
        + _shrink_until_emptied(queue, leaving.name)
        + _emptied(queue, leaving.name)
        + _persistently(f"rabbitmqctl --silent forget_cluster_node {name}"),
        secrets={"BROKER_PASSWORD": queue.password},
        timeout_s=180,
    )


def _lead_nowhere(leaving: Member) -> str:
    """Return shell text after which a broker's connections to another one fail at once."""
    names = f'["{leaving.name}"]'
    return _persistently(_tell(f"{_forgotten(leaving)}, inet_db:add_host({_NOWHERE}, {names})."))


def forget_address(leaving: Member) -> str:
    """Return shell text by which a running broker forgets where another one was.

    Its successor may have the same name; what the file says is read beside what was read before.
    """
    code = f"{_forgotten(leaving)}, inet_db:del_host({_NOWHERE})."
    return f"if systemctl is-active --quiet {UNIT}; then {_tell(code)}; fi\n"


def _forgotten(leaving: Member) -> str:
    """Return Erlang that forgets an address; a host name was never read from the file."""
    return f"inet_db:del_host({leaving.erlang_address})" if leaving.erlang_address else "ok"


def _tell(code: str) -> str:
    return f"rabbitmqctl --silent eval {shlex.quote(code)}"
