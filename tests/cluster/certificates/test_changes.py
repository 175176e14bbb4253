"""Certificates change under clients: renewed, of one service, one's own; runs are killed."""

import pytest

from installer.errors import ConfigError
from installer.foresight.forecast import Loss
from tests.cluster.certificates.conftest import BALANCER, OWN_PORTS, PORTS
from tests.support.certificate_life import node_ended, restarted
from tests.support.killed import finished
from tests.support.live_certificates import Own, authority, certificates, live
from tests.support.losses import predicted, say
from tests.support.traffic import assert_no_request_failed, assert_nothing_lost
from tests.unit.installer.pki.makers import DAY

pytestmark = pytest.mark.cluster

ISSUED = 15
BALANCER_PORTS = {f"{BALANCER}:443", f"{BALANCER}:53333"}
LOADED_S = 3  # what two cores that carry all hosts add
WRITER_RETRY_S = 0.2
PUBLISHING_RESUMES_S = 30  # the figure of test_losses.py for a broker's end without warning
TAKEN_OVER_S = 150  # after two minutes a worker takes what nobody runs; it looks every 15 s


def test_nothing_acknowledged_is_lost(life):
    assert_nothing_lost(life.traffic)


def test_no_request_fails(life):
    assert_no_request_failed(life.traffic)


def test_clients_pause_no_longer_than_for_a_switchover(life, certified):
    """Writes may pause for a switchover, messages for a broker's end."""
    forecast = predicted(certified, Loss.SWITCHOVER)
    say(f"forecast of a switchover: at most {forecast.longest_s:.1f} s")

    assert life.traffic.rows.longest_gap_s() <= forecast.longest_s + WRITER_RETRY_S + LOADED_S
    assert life.traffic.messages.longest_gap_s() < PUBLISHING_RESUMES_S


def test_no_execution_hangs(life):
    """The writer awaits each before the next: one that hung would wait for a worker's restart."""
    assert life.traffic.executions.longest_gap_s() < TAKEN_OVER_S


def differing(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() <= after.keys()
    return {port for port, serial in after.items() if before.get(port) != serial}


def test_every_port_shows_another_certificate(life):
    seen = life.changed

    assert differing(seen.before, seen.renewed) == set(seen.renewed)
    assert len(seen.renewed) == PORTS
    assert "" not in seen.renewed.values()


def test_the_next_run_issues_nothing_that_the_killed_one_has_issued(life):
    seen, membership = life.changed, "database/membership"
    told = [event["text"] for event in seen.resumed if event["kind"] == "message"]

    assert len(seen.record["old"]) == ISSUED
    assert any(f"{ISSUED} certificates were issued by the run before" in text for text in told)
    assert finished(seen.killed, membership) == {"node-1": "changed"}
    assert finished(seen.resumed, membership)["node-1"] == "unchanged"


def test_a_renewal_of_a_service_changes_its_ports_only(life):
    assert differing(life.changed.renewed, life.changed.of_service) == BALANCER_PORTS


def test_a_certificate_of_one_s_own_that_is_newly_named_is_shown(life):
    """nginx has to be told of it, too: until then its port showed the node's own."""
    seen = life.changed

    assert differing(seen.of_service, seen.named) == OWN_PORTS
    assert {int(seen.named[p], 16) for p in OWN_PORTS} == {seen.own.certificate.serial_number}


def test_a_replacement_that_was_killed_is_gone_on_with(life):
    """It came first to one node, whose ports were proved; the next run found that done."""
    seen, services = life.changed, "manager/services"

    assert finished(seen.replacing, services) == {"node-1": "changed"}
    ended = filter(node_ended(services), seen.replaced)
    assert {event["node"] for event in ended if event["outcome"] == "changed"} == {"node-2"}


def test_renewal_and_replacement_restart_nothing_that_clients_see(life):
    seen = life.changed

    assert (
        restarted([*seen.killed, *seen.resumed, *seen.serviced, *seen.replacing, *seen.replaced])
        == set()
    )


def test_an_unfit_certificate_of_one_s_own_is_refused_before_any_change(life, certified):
    own, before = Own(certified), live(certified)
    kept = own.files()
    own.bring(authority(certified), begins=-3 * DAY, ends=-DAY)
    try:
        said = certificates(certified, "replace", check=False)
    finally:
        for name, content in kept.items():
            (own.folder / name).write_bytes(content)

    assert said.returncode == ConfigError.exit_code
    assert "it expired" in said.stderr
    assert live(certified) == before


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--node", "node-9"), "no node has this name"),
        (("--node", "node-1", "--service", "loadbalancer"), "loadbalancer runs on none of node-1"),
    ],
    ids=["node", "service"],
)
def test_a_renewal_of_what_is_not_there_is_refused(life, certified, words, reason):
    said = certificates(certified, "renew", *words, check=False)

    assert said.returncode == ConfigError.exit_code
    assert reason in " ".join(said.stderr.split())


def test_without_the_key_of_the_ca_nothing_is_renewed(life, certified):
    """The next run is not one that goes on with it."""
    key, before = certified.certificates / "ca.key", live(certified)
    elsewhere = key.rename(certified.inventory.with_name("elsewhere.key"))
    try:
        said = certificates(certified, "renew", check=False)
    finally:
        elsewhere.rename(key)

    assert said.returncode == ConfigError.exit_code
    assert "ca.key" in said.stderr
    assert live(certified) == before
    assert not [*certified.inventory.parent.glob("*.runs/renewal.json")]
