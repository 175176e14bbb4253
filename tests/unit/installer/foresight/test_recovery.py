"""How long each loss lasts, and what of it is warned of."""

from dataclasses import replace

import pytest

from installer import catalogue
from installer.foresight.database_forecast import database_forecasts
from installer.foresight.forecast import Loss, Term
from installer.foresight.outlook import outlook_of
from installer.foresight.recovery import forecast_problems, forecasts
from installer.foresight.service_forecast import balancer_forecasts
from installer.foresight.timings import (
    AddressTimes,
    ClientTimes,
    DatabaseTimes,
    _postgresql_seconds,
)

TIMES = DatabaseTimes(
    ttl_s=30,
    loop_wait_s=10,
    retry_timeout_s=10,
    primary_start_timeout_s=300,
    max_lag_bytes=1024**2,
    synchronous_mode="on",
    failsafe=True,
)


def database(loss, members=3, **changes):
    found = database_forecasts(replace(TIMES, **changes), members, ClientTimes())
    return {forecast.loss: forecast for forecast in found}.get(loss)


def codes(outlook, timings):
    layout = replace(outlook.layout, synchronous_mode=timings.database.synchronous_mode)
    return {problem.code for problem in forecast_problems(timings, forecasts(timings, layout))}


def with_database(outlook, **changes):
    return replace(outlook.timings, database=replace(outlook.timings.database, **changes))


def test_a_sum_adds_the_shortest_the_likely_and_the_longest():
    found = database(Loss.PRIMARY_HOST)

    assert found.shortest_s == sum(term.shortest_s for term in found.terms)
    assert found.longest_s == sum(term.longest_s for term in found.terms)
    assert found.shortest_s < found.average_s < found.longest_s
    assert Term(what="", shortest_s=1, longest_s=9, likely_s=2, source="").average_s == 2


def test_patronis_defaults_give_what_others_computed_for_a_lost_primary():
    """20 to 42 s, the managers' own 3 s left out: installers.md, "Expected numbers"."""
    found = database(Loss.PRIMARY_HOST)

    assert found.shortest_s == pytest.approx(20, abs=1)
    assert found.longest_s - ClientTimes().database_connect_s <= 42


def test_a_crash_takes_at_most_the_start_timeout_and_two_loops():
    """Source: Patroni, "master_start_timeout": loop_wait + master_start_timeout + loop_wait."""
    assert database(Loss.PRIMARY_PROCESS).longest_s == 320


def test_etcds_new_leader_renews_the_lost_primarys_key():
    with_leader, without = database(Loss.PRIMARY_AND_ETCD_LEADER), database(Loss.PRIMARY_HOST)

    assert with_leader.longest_s == without.longest_s + 2 * TIMES.election_s + TIMES.election_s
    assert with_leader.shortest_s == without.shortest_s + TIMES.loop_wait_s + TIMES.election_s


def test_a_lost_replica_is_felt_only_if_commits_wait_for_it():
    assert database(Loss.REPLICA).is_silent
    assert database(Loss.SYNCHRONOUS_REPLICA).longest_s == 30 + 0.5 + 10
    assert database(Loss.SYNCHRONOUS_REPLICA, synchronous_mode="off") is None


@pytest.mark.parametrize(
    ("sender_timeout_s", "longest_s"), [(10, 10 + 10), (60, 30 + 0.5 + 10), (0, 30 + 0.5 + 10)]
)
def test_a_silent_replica_is_given_up_by_the_sender_or_with_its_key(sender_timeout_s, longest_s):
    found = database(Loss.SYNCHRONOUS_REPLICA, sender_timeout_s=sender_timeout_s)

    assert found.longest_s == longest_s


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("1min", 60), ("2500", 2.5), ("500 ms", 0.5), ("0", 0)]
)
def test_postgresqls_times_are_read(text, seconds):
    assert _postgresql_seconds(text) == pytest.approx(seconds)


def test_strict_mode_with_one_replica_waits_for_it_for_ever():
    assert database(Loss.SYNCHRONOUS_REPLICA, 2, synchronous_mode="strict").until_repaired
    assert not database(Loss.SYNCHRONOUS_REPLICA, 3, synchronous_mode="strict").until_repaired


def test_failsafe_mode_outlives_etcd():
    assert database(Loss.WHOLE_ETCD).is_silent
    assert database(Loss.WHOLE_ETCD, failsafe=False).until_repaired


@pytest.mark.parametrize(("mode", "loses"), [("on", False), ("strict", False), ("off", True)])
def test_only_without_synchronous_commits_a_failover_loses_any(mode, loses):
    assert (database(Loss.PRIMARY_HOST, synchronous_mode=mode).data != "none") == loses


def test_one_database_never_fails_over():
    assert database(Loss.PRIMARY_HOST, 1).until_repaired
    assert database(Loss.REPLICA, 1) is None


def test_the_virtual_ip_moves_after_three_adverts_and_the_skew():
    """Source: RFC 9568, 6.1: three intervals and (256 - priority) / 256 of one."""
    times = AddressTimes(
        advert_s=1, priority=128, check_interval_s=1, check_timeout_s=2, check_fall=2
    )
    found = {forecast.loss: forecast for forecast in balancer_forecasts(times)}

    assert found[Loss.BALANCER_HOST].longest_s == 3.5


def test_the_times_are_those_of_the_rendered_files(ten):
    database, balancer = ten.timings.database, ten.timings.balancer

    assert (database.ttl_s, database.loop_wait_s, database.retry_timeout_s) == (20, 5, 5)
    assert (database.synchronous_mode, database.failsafe) == ("on", True)
    assert (balancer.inter_s, balancer.fall, balancer.rise) == (3, 3, 2)
    assert ten.timings.broker.silence_s == 5
    assert ten.timings.address is None


def test_two_load_balancers_share_an_address_with_its_own_times(outlook_named):
    assert outlook_named("external-database").timings.address.advert_s == 1
    assert outlook_named("external-database").timings.database is None


def test_a_setting_of_the_inventory_changes_the_forecast(ten):
    settings = {"postgresql_server": {"cluster": {"synchronous_mode": "off"}}}

    found = outlook_of(replace(ten.inventory, settings=settings))

    assert found.forecast(Loss.SYNCHRONOUS_REPLICA) is None
    assert "MiB" in found.forecast(Loss.PRIMARY_HOST).data


def test_every_inventory_has_a_forecast_for_each_role_of_its_own(outlook_named):
    alone = outlook_named("all-in-one").forecasts

    assert {forecast.loss for forecast in alone if forecast.until_repaired} == {
        Loss.PRIMARY_HOST,
        Loss.BROKER_HOST,
        Loss.MANAGER_HOST,
    }


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"election_s": 0.4}, "etcd-timing"),
        ({"synchronous_mode": "off"}, "failover-loses-commits"),
        ({"primary_start_timeout_s": 300}, "long-outage"),
    ],
)
def test_a_bad_time_is_warned_of(ten, changes, code):
    assert code not in codes(ten, ten.timings)
    assert code in codes(ten, with_database(ten, **changes))


def test_a_single_node_of_a_role_is_warned_of(ten, outlook_named):
    warned = {p.where for p in ten.problems() if p.code == "single-point-of-failure"}

    assert warned == {"balancer-host"}
    assert not [p for p in outlook_named("external-database").problems()]


@pytest.mark.parametrize(
    "code",
    [
        "etcd-timing",
        "failover-loses-commits",
        "single-point-of-failure",
        "long-outage",
    ],
)
def test_each_warning_has_its_entry_in_the_catalogue(code):
    assert catalogue.entry(code).next
