"""Certificates end: a timer warns and renews, a run recovers; our own goes as it came."""

import json

import pytest

from installer.errors import ConfigError
from installer.pki.facts import read_facts
from tests.cluster.certificates.conftest import BALANCER, MANAGERS, OWN_PORTS, PORTS
from tests.support.certificate_life import PATRONI, restarted
from tests.support.controller import Fired
from tests.support.killed import finished
from tests.support.live_certificates import Listing, shown_to
from tests.support.losses import say

pytestmark = pytest.mark.cluster


def test_the_timer_warns_of_what_ends_soon_by_a_failed_unit(watched):
    ends = f"nodes/{BALANCER}/node.crt ends in 1 days"

    assert watched.enabled == "enabled"
    assert watched.warned.state == "failed"
    assert any(ends in line for line in watched.warned.warnings)


def test_the_timer_renews_where_it_may_and_has_nothing_to_tell_then(watched):
    assert watched.renewed == Fired("inactive", [])
    assert watched.shown == watched.issued


def test_the_timer_leaves_nothing_when_it_is_disabled(watched):
    assert "0 unit files listed" in watched.left


def test_a_cluster_whose_certificates_have_all_expired_is_renewed(renewed_after_expiry):
    dead, mended = renewed_after_expiry

    assert_dead(dead)
    assert_all_are_current(mended)


def test_a_cluster_whose_ca_has_expired_is_not_renewed(recovered):
    assert recovered.renewal.returncode == ConfigError.exit_code
    assert "certificates rollover" in recovered.renewal.stderr


def test_a_cluster_whose_ca_has_expired_gets_another_though_the_run_is_killed(recovered, certified):
    assert_dead(recovered.dead)
    assert "changed" in finished(recovered.killed, PATRONI).values()
    assert recovered.ended[-1]["progress"] == "none"
    assert_all_are_current(recovered.mended)
    assert shown_to(certified, certified.ca) == read_facts(certified.ca.read_bytes()).common_name


def test_the_node_s_own_is_shown_where_ours_is_taken_away(taken_away, certified):
    """As for `cluster install`, whose plan has nothing left; no service stops for it."""
    before, after = taken_away.before, taken_away.after
    told = {n: read_facts(certified.pair(n).certificate.read_bytes()) for n in MANAGERS}

    assert {port for port in after if after[port] != before[port]} == OWN_PORTS
    assert {p: after[p] for p in OWN_PORTS} == {f"{n}:443": f.serial_text for n, f in told.items()}
    assert restarted(taken_away.told) == set()


def test_an_install_after_all_this_would_change_nothing(taken_away, certified):
    plan = certified.manage("cluster", "plan", "-i", certified.inventory, "--json", check=False)

    say(plan.stdout)
    assert json.loads(plan.stdout)["changes"] == []


def assert_dead(seen: Listing) -> None:
    """Demand that only our own certificates were fit for anybody."""
    assert seen.code == 1
    fit = {f"{p['node']}:{p['port']}" for p in seen.ports if p["current"] and not p["fault"]}
    assert fit == OWN_PORTS


def assert_all_are_current(seen: Listing) -> None:
    assert seen.code == 0
    assert len(seen.ports) == PORTS
