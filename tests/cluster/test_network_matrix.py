"""The network matrix on real hosts: each thing that breaks a network is found, and nothing else."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from installer.sandbox import lifecycle, record
from installer.sandbox.enter import command_in
from installer.sandbox.faults import slow_link
from installer.sandbox.keeper import run_inside
from installer.sandbox.record import FaultKind
from tests.support.cluster import ROOT, tool, wait_until
from tests.support.sandbox import sandbox_of

pytestmark = pytest.mark.cluster

SOURCE = ROOT / "inventories" / "three-nodes.yaml"
NODES = ("node-1", "node-2", "node-3")
PEERS = "ip saddr 10.77.0.11-10.77.0.13 ip daddr 10.77.0.11-10.77.0.13"  # not the controller
SYN = "tcp flags & (syn | ack) == syn"


@pytest.fixture(scope="module")
def hosts(machine):
    """Three bare hosts for database, queue and manager each."""
    with sandbox_of("network", SOURCE) as made:
        yield made


class Driver:
    """A controller that tries the network whenever it is asked to."""

    def __init__(self, hosts, folder):
        self.hosts, self.folder = hosts, folder
        inventory = tool("sandbox", "inventory", hosts.name, "-i", SOURCE).strip()
        words = [sys.executable, "-m", "tests.cluster.network_cases", inventory, str(folder)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command_in(hosts.name, words), stdin=pipe, stdout=pipe, text=True, cwd=ROOT
        )

    def ask(self, case, arguments, options):
        self.process.stdin.write(json.dumps([case, arguments, options]) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def attempt(self, case="good", *arguments, **options):
        return json.loads(self.ask(case, arguments, options))

    def told(self, case="good", *arguments, **options):
        found = self.attempt(case, *arguments, **options)
        return {(code, where) for code, where, _ in found["problems"]}

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def driver(hosts, tmp_path_factory):
    driver = Driver(hosts, tmp_path_factory.mktemp("certificates"))
    yield driver
    driver.close()


@contextlib.contextmanager
def filtered(hosts, *rules):
    """Have the network between the hosts, out of their sight, do this with frames."""
    chain = "type filter hook prerouting priority 10"
    lines = ("table bridge trial {", "chain between {", chain, *rules, "}", "}", "")
    table = "\n".join(lines)
    done = hosts.run("nft", "-f", "-", stdin=table)
    assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        assert hosts.run("nft", "delete", "table", "bridge", "trial").returncode == 0


@contextlib.contextmanager
def rejected(hosts, node, port):
    """Have a host's own packet filter reject what comes to a port."""
    space = record.namespace_of(hosts.name, node)
    keeper = lifecycle.holder_of(record.load(hosts.name))
    rule = f"ip saddr 10.77.0.11-10.77.0.13 tcp dport {port} reject with tcp reset"
    chain = f"chain own {{\ntype filter hook input priority 0\n{rule}\n}}"
    inside = ["nsenter", f"--net={space}", "nft"]
    run_inside(keeper, [*inside, "-f", "-"], stdin=f"table inet trial {{\n{chain}\n}}\n")
    try:
        yield
    finally:
        run_inside(keeper, [*inside, "delete", "table", "inet", "trial"])


@contextlib.contextmanager
def fault(hosts, kind, *names, detail=""):
    hosts.fail(kind, *names, detail=detail)
    try:
        yield
    finally:
        hosts.heal()


@contextlib.contextmanager
def foreign(hosts, node, port):
    """Run a process on a host that holds a port and answers with something else."""
    text = (
        "import socket\n"
        f"s = socket.create_server(('', {port}))\n"
        "while True:\n"
        "    c, _ = s.accept(); c.sendall(b'220 mail\\r\\n'); c.close()\n"
    )
    started = hosts.output(
        node, "systemd-run", "--unit=foreign", "--collect", "python3", "-c", text
    )
    assert "foreign" in started or not started
    wait_until(lambda: f":{port}" in listening(hosts, node), "it listens", timeout_s=10)
    try:
        yield
    finally:
        hosts.output(node, "systemctl", "stop", "foreign")


def listening(hosts, node):
    return hosts.output(node, "ss", "-Hltn")


def open_ports(hosts):
    found = {node: listening(hosts, node) for node in NODES}
    ports = (2379, 5432, 5671, 25672, 53333)
    return {(node, port) for node in NODES for port in ports if f":{port} " in found[node]}


def test_a_network_in_order_has_no_findings_and_a_full_table(driver):
    found = driver.attempt()

    assert found["problems"] == []
    assert found["rows"][0] == ["from \\ to", *NODES]
    cells = [cell for row in found["rows"][1:] for cell in row[1:]]
    assert cells.count("-") == 3
    assert all(float(cell) < 50 for cell in cells if cell != "-")
    assert {link["listener"] for link in found["document"]["links"]} == {"trial"}


def test_nothing_listens_after_the_trial(driver, hosts):
    driver.attempt()

    wait_until(lambda: not open_ports(hosts), "every listener is gone", timeout_s=5)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("stranger", "tls-untrusted"),
        ("other_ca", "tls-untrusted"),
        ("expired", "tls-expired"),
        ("future", "tls-not-yet-valid"),
        ("misnamed", "tls-name"),
    ],
)
def test_a_certificate_that_does_not_hold_is_found_at_its_node(driver, case, expected):
    assert driver.told(case, "node-2") == {(expected, "node-2")}


def test_a_cut_pair_is_found(driver, hosts):
    with fault(hosts, FaultKind.CUT_PAIR, "node-1", "node-2"):
        assert driver.told() == {("port-unreachable", "node-1 ↔ node-2")}


def test_a_node_that_is_cut_off_from_the_others_is_found(driver, hosts):
    both = f"{PEERS} ip saddr 10.77.0.13 drop", f"{PEERS} ip daddr 10.77.0.13 drop"
    with filtered(hosts, *both):
        assert driver.told() == {("node-isolated", "node-3")}


def test_a_firewall_that_drops_a_port_is_found(driver, hosts):
    with filtered(hosts, f"{PEERS} ip daddr 10.77.0.13 tcp dport 2380 drop"):
        found = driver.attempt()

    assert {(code, where) for code, where, _ in found["problems"]} == {
        ("port-unreachable", "node-1 → node-3"),
        ("port-unreachable", "node-2 → node-3"),
    }
    assert {what for _, _, what in found["problems"]} == {"port 2380 (etcd peer): no answer"}
    assert found["rows"][1][3] == "✗ 2380"


def test_a_firewall_that_rejects_a_port_is_found_and_named(driver, hosts):
    with rejected(hosts, "node-3", 8008):
        found = driver.attempt()

    assert {code for code, _, _ in found["problems"]} == {"port-unreachable"}
    assert all("refused by a firewall" in what for _, _, what in found["problems"])


def test_a_way_that_is_open_in_one_direction_only_is_found(driver, hosts):
    with filtered(hosts, f"ip saddr 10.77.0.11 ip daddr 10.77.0.12 {SYN} drop"):
        assert driver.told() == {("asymmetric", "node-1 → node-2")}


def test_a_foreign_process_on_a_port_is_found_by_its_answer(driver, hosts):
    with foreign(hosts, "node-2", 5671):
        assert driver.told() == {
            ("tls-handshake", "node-1 → node-2"),
            ("tls-handshake", "node-3 → node-2"),
        }


def test_a_port_that_is_known_to_be_foreign_is_left_alone(driver, hosts):
    with foreign(hosts, "node-2", 5671):
        found = driver.attempt(foreign=[["node-2", 5671]])

    assert found["problems"] == []
    assert {link["port"] for link in found["document"]["untried"]} == {5671}


def test_packets_of_full_size_that_are_lost_are_found(driver, hosts):
    rule = "ip saddr 10.77.0.11 ip daddr 10.77.0.12 meta length gt 1000 drop"
    with filtered(hosts, rule):
        assert driver.told() == {("mtu-black-hole", "node-1 ↔ node-2")}


def test_a_node_behind_a_thin_cable_is_found(driver, hosts):
    with fault(hosts, FaultKind.SLOW, "node-3", detail=slow_link(400, None)):
        assert driver.told() == {("slow-link", "node-3")}


def test_a_node_that_is_away_is_left_out_of_the_trial(driver):
    found = driver.attempt(away=["node-3"])

    assert found["problems"] == []
    assert found["rows"][0] == ["from \\ to", "node-1", "node-2"]


def test_nothing_remains_of_a_controller_that_was_killed(driver, hosts, tmp_path):
    second = Driver(hosts, tmp_path)

    answer = second.ask("killed", [], {})

    assert answer == ""
    wait_until(lambda: not open_ports(hosts), "every listener is gone", timeout_s=10)
    second.process.wait(10)
    second.process.stdin.close()
    second.process.stdout.close()
    assert driver.told() == set()
    assert not list(Path("/var/tmp").glob("*cfy_manager-listen*"))
