"""What will have expired by a date, and whom that takes from whom."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from installer.expand import certificate_requests
from installer.foresight.expiry import expiry_forecast
from installer.foresight.outlook import outlook_of
from installer.foresight.survival import Outcome, Part
from installer.pki.store import CertificateStore

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def ten_issued(ten, tmp_path_factory):
    """Ten nodes; db-1 and db-2 for 10 days, queue-1 for 20, the others for a year."""
    folder = tmp_path_factory.mktemp("certs")
    inventory = replace(ten.inventory, certificates_path=folder)
    requests = certificate_requests(inventory)
    for days, nodes in ((10, ("db-1", "db-2")), (20, ("queue-1",)), (365, None)):
        some = [each for each in requests if nodes is None or each.node in nodes]
        CertificateStore(folder, days=days, renew_days=0).ensure(some)
    return outlook_of(inventory)


def forecast(outlook, days):
    return expiry_forecast(outlook.inventory, outlook.layout, NOW + timedelta(days=days))


def outcomes(found):
    return {fate.part: fate.outcome for fate in found.fates}


def test_nothing_has_expired_before_its_time(ten_issued):
    found = forecast(ten_issued, 9)

    assert found.expiries == ()
    assert outcomes(found)[Part.REST] is Outcome.WHOLE


def test_certificates_expire_in_their_order(ten_issued):
    found = forecast(ten_issued, 30)

    files = [each.file for each in found.expiries]
    assert len(files) == 4 + 4 + 1  # node.crt and three users of each database; the broker's
    assert files[-1] == "nodes/queue-1/node.crt"
    assert files == [each.file for each in sorted(found.expiries, key=lambda e: e.not_after)]


def test_a_server_is_refused_by_all_who_connect_to_it(ten_issued):
    (broker,) = [e for e in forecast(ten_issued, 30).expiries if e.node == "queue-1"]

    (clients,) = [b for b in broker.breaks if b.service == "RabbitMQ 5671"]
    assert clients.targets == ("queue-1",)
    assert {"manager-1", "manager-2", "manager-3"} <= {*clients.sources}
    assert not clients.refused


def test_a_client_is_refused_by_those_it_shows_its_certificate(ten_issued):
    (user,) = [
        each
        for each in forecast(ten_issued, 30).expiries
        if each.file == "nodes/db-1/client-replicator.crt"
    ]

    (broken,) = user.breaks
    assert (broken.service, broken.refused) == ("PostgreSQL 5432", True)
    assert broken.sources == ("db-1",)
    assert {*broken.targets} == {"db-2", "db-3"}


def test_whom_others_refuse_counts_as_lost(ten_issued):
    found = outcomes(forecast(ten_issued, 30))

    assert found[Part.DATABASE] is Outcome.READ_ONLY
    assert found[Part.QUEUE] is Outcome.WORKS
    assert found[Part.REST] is Outcome.DOWN


def test_the_ca_takes_everything_with_it(ten_issued):
    found = forecast(ten_issued, 4000)

    (ca,) = [each for each in found.expiries if each.file == "ca.crt"]
    assert "PostgreSQL 5432" in {broken.service for broken in ca.breaks}
    assert outcomes(found)[Part.EXECUTIONS] is Outcome.DOWN


def test_renewal_begins_a_third_of_a_short_life_before_the_end(ten_issued):
    first = forecast(ten_issued, 11).expiries[0]

    margin = first.not_after - first.renewed_from
    assert margin == pytest.approx(timedelta(days=10) / 3, abs=timedelta(hours=1))


def test_what_is_not_issued_yet_is_told(ten, tmp_path):
    empty = replace(ten.inventory, certificates_path=tmp_path / "none")

    found = expiry_forecast(empty, ten.layout, NOW)

    assert found.known == 0
    assert "ca.crt" in found.missing
    assert "nodes/manager-1/client-cloudify.crt" in found.missing
