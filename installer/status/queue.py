"""What is wrong with the brokers: alarms that stop publishers, partitions, a lost majority."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from installer.foresight.survival import majority
from installer.inventory import Role
from installer.status.facts import ClusterFacts
from installer.status.model import Finding, State, Verdict
from installer.status.request import BROKERS

_SERVICE = str(Role.QUEUE)
_broker = functools.partial(Finding, service=_SERVICE, verdict=Verdict.DEGRADED)
_ALARMS = {"mem_alarm": "memory", "disk_free_alarm": "disk"}
_PREFIX = "rabbit@"


def broker_view(facts: ClusterFacts) -> dict[str, Mapping[str, Any]]:
    """Return the brokers by node name: each as it says itself, else as another one says."""
    seen: dict[str, Mapping[str, Any]] = {}
    for teller in facts.told(Role.QUEUE):
        for broker in _told(facts, teller.name):
            name = str(broker["name"]).removeprefix(_PREFIX)
            if name == teller.name or name not in seen:
                seen[name] = broker
    return seen


def _told(facts: ClusterFacts, name: str) -> list[Mapping[str, Any]]:
    answer = facts.nodes[name].answer(BROKERS)
    value = answer.value() if answer.is_good else None
    return value if isinstance(value, list) else []


def alarms_of(broker: Mapping[str, Any]) -> list[str]:
    """Return the names of a broker's alarms."""
    return [word for key, word in _ALARMS.items() if broker.get(key)]


def running(facts: ClusterFacts) -> list[str]:
    """Return the brokers that run and can be reached."""
    view = broker_view(facts)
    return [
        node.name
        for node in facts.having(Role.QUEUE)
        if view.get(node.name, {}).get("running") and node.name not in facts.silent
    ]


def queue_findings(facts: ClusterFacts) -> Iterator[Finding]:
    """Yield everything that is wrong with the brokers."""
    nodes, view = facts.having(Role.QUEUE), broker_view(facts)
    if not facts.told(Role.QUEUE):  # there is none, or nothing is known of it
        return
    alive = [name for name, broker in view.items() if broker.get("running")]
    if len(alive) < majority(len(nodes)):
        yield Finding(
            code="brokers-without-majority",
            where=_SERVICE,
            service=_SERVICE,
            what=f"{len(alive)} of {len(nodes)} brokers run, {majority(len(nodes))} are needed: "
            "no message is taken or delivered",
            remedy="start the others: `systemctl start rabbitmq-server`",
            verdict=Verdict.DOWN,
        )
    for node in nodes:
        yield from _broker_findings(facts, node.name, view.get(node.name))


def _broker_findings(
    facts: ClusterFacts, name: str, broker: Mapping[str, Any] | None
) -> Iterator[Finding]:
    if name in facts.silent:
        return
    answer = facts.nodes[name].answer(BROKERS)
    if not answer.is_good:
        yield _broker(
            where=name,
            code="broker-silent",
            what=f"RabbitMQ does not tell how it is: {answer.words}",
            remedy=f"`journalctl -u rabbitmq-server -n 50` on {name}",
            state=State.DOWN,
        )
    if broker is None:
        return
    if not broker.get("running"):
        yield _broker(
            where=name,
            code="broker-not-running",
            what="the others do not see it run",
            remedy=f"`systemctl start rabbitmq-server` on {name}",
            state=State.DOWN,
        )
    for alarm in alarms_of(broker):
        yield _broker(
            where=name,
            code="broker-alarm",
            what=f"its {alarm} alarm is set: no broker of the cluster takes a message meanwhile",
            remedy=f"free {alarm} on {name}; the alarm ends by itself",
            state=State.DEGRADED,
            verdict=Verdict.DOWN,
        )
    for other in broker.get("partitions") or ():
        yield _broker(
            where=name,
            code="brokers-parted",
            what=f"it is parted from {other}",
            remedy="mend the network between them, then `systemctl restart rabbitmq-server` on one",
            state=State.DEGRADED,
        )
    if broker.get("being_drained"):
        yield _broker(
            where=name,
            code="broker-in-maintenance",
            what="it is in maintenance mode: it takes no clients and leads no queues",
            remedy=f"`rabbitmq-upgrade revive` on {name}",
            state=State.DEGRADED,
        )


def queue_summary(facts: ClusterFacts) -> str:
    """Return one line on the brokers."""
    alarms = [
        f"{alarm} alarm on {name}"
        for name, broker in broker_view(facts).items()
        for alarm in alarms_of(broker)
    ]
    told = ", ".join(alarms) or "no alarms"
    return f"{len(running(facts))} of {len(facts.having(Role.QUEUE))} run, {told}"
