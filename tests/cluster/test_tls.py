"""Whatever listens speaks TLS with a certificate of the cluster, but for a few named ports."""

import http.client
import re
import ssl
from dataclasses import dataclass

import pytest

from tests.support.tls import OLD_VERSIONS, allow, handshake, outdated, trusting

pytestmark = pytest.mark.cluster

# ports that may be plain, and who may listen there
SSH, REDIRECT, EPMD = 22, 80, 4369
PLAIN = {
    SSH: {"sshd", "systemd"},
    REDIRECT: {"nginx", "haproxy"},
    EPMD: {"epmd", "systemd"},  # it only tells the numbers of ports
}
# what must be found at least: a look that misses ports proves nothing
SERVED = {
    "database": {2379, 2380, 5432, 8008},
    "queue": {5671, 15671, 25672},
    "manager": {443, 53333, 22000},
    "loadbalancer": {443, 53333},
}


@dataclass(frozen=True, order=True)
class Listener:
    """A port that a host opens to others."""

    host: str
    port: int
    processes: frozenset[str]

    def __str__(self):
        return f"{self.host}:{self.port} ({', '.join(sorted(self.processes)) or 'the kernel'})"

    @property
    def may_be_plain(self):
        return bool(self.processes) and self.processes <= PLAIN.get(self.port, set())


@pytest.fixture(scope="module")
def listeners(cluster):
    found = {listener for node in cluster.nodes for listener in _listeners(cluster, node)}
    return sorted(found, key=str)


@pytest.fixture(scope="module")
def secured(listeners):
    return [listener for listener in listeners if not listener.may_be_plain]


def test_the_look_finds_every_port_that_is_served(cluster, listeners):
    open_ports = {node: {it.port for it in listeners if it.host == node} for node in cluster.nodes}

    for role, ports in SERVED.items():
        for node in cluster.having(role):
            assert ports | {SSH} <= open_ports[node], node


def test_every_port_speaks_tls_with_a_certificate_of_the_cluster(cluster, secured):
    with cluster.network():
        faults = {str(listener): _tls_fault(cluster, listener) for listener in secured}

    assert {where: fault for where, fault in faults.items() if fault} == {}


def test_no_port_speaks_a_version_below_tls_1_2(cluster, secured):
    with cluster.network():
        accepted = [
            f"{listener}: {agreed}"
            for listener in secured
            for version in OLD_VERSIONS
            if (agreed := _agreed(cluster, listener, version))
        ]

    assert accepted == []


@pytest.mark.parametrize("version", OLD_VERSIONS)
def test_the_client_of_these_tests_can_speak_old_versions(cluster, version):
    """Otherwise nothing would be proved by a handshake that fails."""
    pair = cluster.pair("lb-1")
    server = allow(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), version, pair)

    assert _agreed_in_memory(outdated(version), server) == version.name.replace("_", ".")


def test_port_80_only_redirects_to_tls(cluster, listeners):
    plain = [listener for listener in listeners if listener.port == REDIRECT]
    assert {it.host for it in plain} == {
        *cluster.having("manager"),
        *cluster.having("loadbalancer"),
    }
    asked = [("GET", "/"), ("GET", "/api/v3.1/status"), ("POST", "/api/v3.1/tokens")]

    with cluster.network():
        answers = {
            f"{listener.host} {method} {path}": _answer(cluster, listener, method, path)
            for listener in plain
            for method, path in asked
        }

    assert {
        what: answer
        for what, answer in answers.items()
        if answer != (308, "https://cluster.example" + what.rsplit(" ", 1)[1])
    } == {}


def _listeners(cluster, node):
    for line in cluster.on(node, "ss", "-ltnpH").stdout.splitlines():
        _, _, _, local, _, *users = line.split()
        address, _, port = local.rpartition(":")
        if not _is_loopback(address.strip("[]").partition("%")[0]):
            names = re.findall(r'\("([^"]+)"', " ".join(users))
            yield Listener(node, int(port), frozenset(names))


def _is_loopback(address):
    return address.startswith("127.") or address == "::1"


def _tls_fault(cluster, listener):
    address = cluster.address(listener.host)
    context = trusting(cluster.ca, cluster.pair(listener.host))
    try:
        handshake(address, listener.port, context)
    except OSError as error:  # ssl.SSLError among them
        return str(error)
    return ""


def _agreed(cluster, listener, version):
    context = outdated(version, cluster.pair(listener.host))
    try:
        return handshake(cluster.address(listener.host), listener.port, context)
    except (ssl.SSLError, ConnectionResetError):
        return None


def _agreed_in_memory(client_context, server_context):
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    unfinished = [client, server]
    for _ in range(10):  # a handshake takes three rounds
        unfinished = [side for side in unfinished if not _advance(side)]
    assert unfinished == []
    return client.version()


def _advance(side):
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def _answer(cluster, listener, method, path):
    connection = http.client.HTTPConnection(cluster.address(listener.host), REDIRECT, timeout=10)
    try:
        connection.request(method, path, headers={"Host": "cluster.example"})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location")
    finally:
        connection.close()
