"""How long the loss of a broker, a manager or a load balancer is felt.

Sources: RabbitMQ, "Quorum Queues" and "Inter-node Communication"; pika/heartbeat.py; HAProxy,
"Configuration Manual", 4.2 and 5.2; RFC 9568 (VRRP), 6.1; keepalived.conf(5).
"""

from collections.abc import Iterator

from installer.foresight.forecast import Forecast, Loss, Term
from installer.foresight.survival import majority
from installer.foresight.timings import AddressTimes, BalancerTimes, BrokerTimes, ClientTimes

_QUEUE_ELECTION_S = (0.5, 5)  # Ra looks for silent members each second, then elects
_PIKA_MARGIN_S = 5  # pika looks this long after a heartbeat was due
_VRRP_PRIORITIES = 256
_TASKS = "messages, executions"


def broker_forecasts(times: BrokerTimes, members: int, client: ClientTimes) -> Iterator[Forecast]:
    """Yield a forecast for each way to lose brokers."""
    alone = members == 1
    yield Forecast(
        loss=Loss.BROKER_PROCESS,
        title="a broker's process",
        interrupts=_TASKS,
        terms=(_restart() if alone else _election(), _reconnect(client, silent=False)),
    )
    yield Forecast(
        loss=Loss.BROKER_HOST,
        title="a broker's host",
        interrupts=_TASKS,
        terms=() if alone else _silent_broker(times, client),
        until_repaired=alone,
        notes=("one broker has no replica: three survive the loss of one",)
        if alone
        else (f"what waits for a confirmation gives up after {client.confirm_s:g} s",),
    )
    if not alone:
        yield Forecast(
            loss=Loss.BROKER_MAJORITY,
            title=f"{members - majority(members) + 1} brokers at once",
            interrupts=_TASKS,
            until_repaired=True,
            notes=("the rest pauses until a majority is back; nothing that was confirmed is lost",),
        )


def _silent_broker(times: BrokerTimes, client: ClientTimes) -> tuple[Term, ...]:
    """The brokers agree anew while the clients of the lost one still wait: the longer counts.

    pika counts what arrived between two looks, a heartbeat and a margin apart; a broker that falls
    silent just before a look is noticed at that, just after at the next but one.
    """
    look_s = client.broker_heartbeat_s + _PIKA_MARGIN_S
    brokers_s = times.silence_s + _QUEUE_ELECTION_S[1]
    return (
        Term(
            what=(
                f"clients of the lost broker notice: pika looks each {look_s:g} s "
                f"(the others' queues have new leaders within {brokers_s:g} s)"
            ),
            shortest_s=_QUEUE_ELECTION_S[0],
            longest_s=max(2 * look_s, brokers_s),
            source="pika: heartbeat.py; RabbitMQ: TCP_USER_TIMEOUT",
            likely_s=1.5 * look_s,
        ),
        _reconnect(client, silent=True),
    )


def _restart() -> Term:
    return Term(
        what="systemd starts it again and it reads its queues",
        shortest_s=4,
        longest_s=30,
        likely_s=8,
        source="measured",
    )


def _election() -> Term:
    shortest, longest = _QUEUE_ELECTION_S
    return Term(
        what="its queues elect other leaders",
        shortest_s=shortest,
        longest_s=longest,
        likely_s=1.5,
        source="RabbitMQ: Ra",
    )


def _reconnect(client: ClientTimes, *, silent: bool) -> Term:
    lost_s = client.broker_connect_s if silent else 0
    return Term(
        what="clients pause, then connect to another"
        + (f" (a silent one costs {lost_s:g} s)" if silent else ""),
        shortest_s=0,
        longest_s=client.broker_retry_s + lost_s,
        likely_s=0.5 + lost_s / 3,
        source="the manager: broker/connection.py",
    )


def manager_forecasts(balancer: BalancerTimes | None, members: int) -> Iterator[Forecast]:
    """Yield a forecast for each way to lose one manager."""
    if members == 1:
        note = "one manager: its services start again by themselves, a lost host does not"
        yield Forecast(
            loss=Loss.MANAGER_HOST,
            title="the manager's host",
            interrupts="REST requests and executions",
            data="files that no other manager has",
            until_repaired=True,
            notes=(note,),
        )
        return
    yield Forecast(
        loss=Loss.MANAGER_PROCESS,
        title="a manager's web server or REST service",
        interrupts="",
        notes=("a refused or empty answer goes to another manager at once",)
        if balancer
        else ("clients must turn to another manager: there is no load balancer",),
    )
    yield _manager_host(balancer)


def _manager_host(balancer: BalancerTimes | None) -> Forecast:
    data = "files not yet sent to others"
    if balancer is None:
        return Forecast(
            loss=Loss.MANAGER_HOST,
            title="a manager's host",
            interrupts="its clients",
            data=data,
            until_repaired=True,
            notes=("its clients must turn to another manager: there is no load balancer",),
        )
    checks_s = balancer.fall * balancer.inter_s + (balancer.fall - 1) * balancer.fastinter_s
    waits_s = max(balancer.dead_s, balancer.connect_timeout_s + 1)
    return Forecast(
        loss=Loss.MANAGER_HOST,
        title="a manager's host",
        interrupts="its requests, which wait",
        terms=(
            Term(
                what=f"HAProxy gives the silent manager up, and takes it out within "
                f"{balancer.inter_s + checks_s:g} s",
                shortest_s=0,
                longest_s=waits_s,
                source="HAProxy: tcp-ut, srvtcpka, timeout connect, redispatch, inter, fall",
            ),
        ),
        data=data,
        notes=("a request that writes and is in flight fails: it may not be sent twice",),
    )


def balancer_forecasts(address: AddressTimes | None) -> Iterator[Forecast]:
    """Yield a forecast for each way to lose one load balancer."""
    if address is None:
        for loss, title in (
            (Loss.BALANCER_PROCESS, "HAProxy crashes"),
            (Loss.BALANCER_HOST, "the load balancer's host"),
        ):
            is_process = loss is Loss.BALANCER_PROCESS
            restart = Term(
                what="systemd starts it again",
                shortest_s=1,
                longest_s=3,
                source="20-haproxy.conf: RestartSec",
            )
            yield Forecast(
                loss=loss,
                title=title,
                interrupts="the cluster's address",
                terms=(restart,) if is_process else (),
                until_repaired=not is_process,
                notes=() if is_process else ("a second one would take over a virtual IP",),
            )
        return
    skew_s = (_VRRP_PRIORITIES - address.priority) / _VRRP_PRIORITIES * address.advert_s
    takeover = Term(
        what=f"3 adverts are missed: 3 x {address.advert_s:g} + {skew_s:.1f}",
        shortest_s=2 * address.advert_s + skew_s,
        longest_s=3 * address.advert_s + skew_s,
        source="VRRP: master down interval",
    )
    looks = Term(
        what=f"{address.check_fall} looks at HAProxy fail",
        shortest_s=(address.check_fall - 1) * address.check_interval_s,
        longest_s=address.check_fall * (address.check_interval_s + address.check_timeout_s),
        source="keepalived: interval, timeout, fall",
    )
    handed = Term(
        what="the address is handed over",
        shortest_s=skew_s,
        longest_s=takeover.longest_s,
        source="VRRP: priority 0, or silence",
    )
    yield Forecast(
        loss=Loss.BALANCER_PROCESS,
        title="HAProxy stops for good on the holder of the address",
        interrupts="the cluster's address",
        terms=(looks, handed),
    )
    yield Forecast(
        loss=Loss.BALANCER_HOST,
        title="the host of the load balancer that holds the address",
        interrupts="the cluster's address",
        terms=(takeover,),
    )
