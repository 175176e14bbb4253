"""The CA changes under clients, killed in its middle; our own certificate is of the old one."""

import ssl

import pytest

from installer.errors import Refused
from installer.pki.facts import read_facts
from tests.cluster.certificates.conftest import MANAGERS, OWN_PORTS, PORTS
from tests.support.certificate_life import LEAVES, changes_in, divided, restarted
from tests.support.killed import events_of
from tests.support.live_certificates import certificates, shown_to
from tests.support.losses import say

pytestmark = pytest.mark.cluster

WITHDRAWN = "4 of 4"  # the title of a rollover's step
LEAVE = "Take no more requests"


def test_managers_leave_the_load_balancer_before_they_restart(life):
    both_trusted, _ = divided(life.rolled.killed, LEAVES)
    turns = changes_in(both_trusted, "manager/services")

    assert set(turns) == set(MANAGERS)
    for changes in turns.values():
        assert changes.index(LEAVE) < changes.index("restart cloudify-restservice.service")


def test_a_killed_rollover_is_told_and_gone_on_with(life):
    goes_on = "This goes on with the change of the CA that was begun."
    seen = life.rolled

    assert seen.status["progress"] == "issuing"
    for said in (events_of(seen.refused.stdout), seen.ended):
        assert goes_on in [event.get("text") for event in said]
    assert seen.ended[-1]["progress"] == "none"


def test_the_old_ca_stays_while_it_has_issued_a_certificate_of_one_s_own(life):
    seen = life.rolled

    assert seen.refused.returncode == Refused.exit_code
    assert "settings.ssl_inputs.external_cert_path" in seen.refused.stderr
    assert "cfy_manager certificates replace" in seen.refused.stderr
    assert seen.stays["progress"] == "issuing"
    assert {int(seen.replaced[p], 16) for p in OWN_PORTS} == {seen.own.certificate.serial_number}


def test_each_step_is_proved_on_every_port_and_link(life):
    told = [*life.rolled.killed, *events_of(life.rolled.refused.stdout), *life.rolled.ended]
    proofs = [event["text"] for event in told if event.get("text", "").startswith("Proved")]

    say("\n".join(proofs))
    both, *leaves, new = proofs
    assert "ports take a certificate of the new CA" in both
    assert "ports refuse the certificate of the old CA" in new
    assert len(leaves) == 2
    for proof in proofs:
        assert f"{PORTS} ports show their present certificate" in proof


def test_certificates_of_another_ca_restart_nothing_while_both_are_trusted(life):
    """Only trust does, which services read when they start."""
    _, interrupted = divided(life.rolled.killed, LEAVES)
    again, _ = divided(life.rolled.ended, WITHDRAWN)

    assert restarted([*interrupted, *events_of(life.rolled.refused.stdout), *again]) == set()


def test_every_client_meets_the_new_ca_alone(life, certified, tmp_path):
    old = tmp_path / "old-ca.crt"
    old.write_bytes(life.old_ca)

    assert shown_to(certified, certified.ca) == read_facts(certified.ca.read_bytes()).common_name
    with pytest.raises(ssl.SSLCertVerificationError):
        shown_to(certified, old)


def test_what_is_not_begun_cannot_turn_back(life, certified):
    said = certificates(certified, "rollover", "--back", check=False)

    assert said.returncode == Refused.exit_code
    assert "no change of the CA is under way" in said.stderr
