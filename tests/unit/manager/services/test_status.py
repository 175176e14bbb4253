"""This manager's own services: systemd's answer and the broker's, as `/status` shows them."""

import socket
import ssl
import stat
import subprocess
import threading
from dataclasses import replace

import pika
import pytest

from manager.services.status import BrokerCheck, unit_services
from manager.settings import NodeAddress, RabbitmqSettings

UNITS = {"Webserver": "nginx.service", "Manager Rest-Service": "cloudify-restservice.service"}
ANSWER = """\
Id=nginx.service
Description=A high performance web server
ActiveState=active

Id=cloudify-restservice.service
Description=REST = service
ActiveState=activating
"""


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    """Return a function that sets what `systemctl` does."""

    def install(script):
        path = tmp_path / "systemctl"
        path.write_text(f"#!/bin/sh\n{script}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
        return tmp_path

    return install


def make_certificate(folder):
    """Write a self-signed certificate for 127.0.1.1, which is its own CA."""
    folder.mkdir()
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=broker"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-addext", "subjectAltName=IP:127.0.1.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture
def brokers(tmp_path):
    ca, _key = make_certificate(tmp_path / "ca")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return RabbitmqSettings(
        hosts=tuple(NodeAddress(name=f"q{n}", address=f"127.0.1.{n}") for n in (1, 2)),
        username="cloudify",
        password="secret-word",
        ca_path=ca,
        port=port,
    )


def test_a_service_is_active_when_its_unit_is(systemctl):
    systemctl(f"cat <<'END'\n{ANSWER}END\n")

    services = unit_services(UNITS)

    assert {name: entry["status"] for name, entry in services.items()} == {
        "Webserver": "Active",
        "Manager Rest-Service": "Inactive",
    }
    assert services["Manager Rest-Service"]["extra_info"]["systemd"] == {
        "display_name": "Manager Rest-Service",
        "unit_id": "cloudify-restservice.service",
        "instances": [
            {
                "Id": "cloudify-restservice.service",
                "Description": "REST = service",
                "state": "stopped",
            }
        ],
    }


def test_all_units_are_asked_for_by_one_command(systemctl):
    folder = systemctl('echo "$@" >> "$(dirname "$0")/calls"')

    unit_services(UNITS)

    assert (folder / "calls").read_text().splitlines() == [
        "show --property=Id,Description,ActiveState -- nginx.service cloudify-restservice.service"
    ]


@pytest.mark.parametrize("script", ["echo 'Failed to connect to bus' >&2\nexit 1", "exec sleep 30"])
def test_without_systemds_answer_no_service_is_active(systemctl, caplog, script):
    systemctl(script)

    services = unit_services(UNITS)

    assert {entry["status"] for entry in services.values()} == {"Inactive"}
    assert "systemd does not answer" in caplog.text


def test_without_any_broker_each_reason_is_told_without_the_password(brokers, caplog):
    check = BrokerCheck(brokers)

    services = [check.service(), check.service()]

    assert [service["status"] for service in services] == ["Inactive", "Inactive"]
    reason = services[0]["extra_info"]["connection_check"]
    assert "127.0.1.1: " in reason
    assert "127.0.1.2: " in reason
    assert "secret-word" not in reason + caplog.text
    assert len([r for r in caplog.records if "no broker" in r.message]) == 1


def test_a_broker_is_asked_for_the_managers_virtual_host(brokers, monkeypatch):
    """A provider's has no other for us, and refuses a login to `/`."""
    asked = []

    def refuse(parameters):
        asked.append(parameters.virtual_host)
        raise OSError

    monkeypatch.setattr(pika, "BlockingConnection", refuse)

    BrokerCheck(replace(brokers, vhost="hosted")).service()

    assert set(asked) == {"hosted"}


def first_bytes(check, port, chain):
    """Return what a client that checks sends inside TLS, or nothing when it breaks off."""
    received = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*chain)

    def serve(listener):
        connection, _ = listener.accept()
        with connection:
            try:
                with context.wrap_socket(connection, server_side=True) as tls:
                    received.append(tls.recv(8))
            except ssl.SSLError:
                received.append(b"")

    with socket.create_server(("127.0.1.1", port)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        assert check.service()["status"] == "Inactive"  # the server never answers
        thread.join(10)
    return received[0]


def test_a_broker_is_spoken_to_inside_tls(brokers, tmp_path):
    chain = (tmp_path / "ca" / "cert.pem", tmp_path / "ca" / "key.pem")

    assert first_bytes(BrokerCheck(brokers), brokers.port, chain) == b"AMQP\x00\x00\x09\x01"


def test_a_broker_with_a_foreign_certificate_is_not_told_the_password(brokers, tmp_path):
    chain = make_certificate(tmp_path / "foreign")

    assert first_bytes(BrokerCheck(brokers), brokers.port, chain) == b""
