"""Preflight of real hosts: what is broken is found there, alone, and nothing is changed.

Every break is undone, so the hosts are those that other tests share. Each run examines three hosts
that are broken in three ways.
"""

import json
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from installer.sandbox.enter import command_in, command_on
from tests.cluster.preflight_breaks import BREAKS, DISAGREEMENTS
from tests.support.cluster import ROOT, TOOL
from tests.support.host_state import changes_between, host_state
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.cluster

ALL = ["database", "queue", "manager"]
# the machine below decides it, and hosts of a sandbox share it
MACHINE = [
    "open-files-few",
    "inotify-few",
    "memory-below-advice",
    "cpu-single",
    "swap-eager",
    "huge-pages-always",
    "cgroup-old",
    "disk-flush-slow",
]


@dataclass(frozen=True)
class Hosts:
    """Three bare hosts, and what preflight says of them."""

    sandbox: Sandbox
    folder: Path
    bundle: Path

    @property
    def names(self) -> list[str]:
        return self.sandbox.hosts[:3]

    def inventory(self, **changes: Any) -> Path:
        nodes = [
            {"name": name, "address": self.sandbox.address(name), "roles": ALL}
            for name in self.names
        ]
        document = {
            "cluster": {"name": "bare"},
            "nodes": nodes,
            "ssh": {
                "user": "root",
                "private_key": str(self.sandbox.private_key),
                "known_hosts": str(self.sandbox.known_hosts),
            },
            "bundle": str(self.bundle),
            "waive": MACHINE,
        } | changes
        path = self.folder / "inventory.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in document.items() if v is not None}))
        return path

    def manage(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        command = command_in(self.sandbox.name, [*TOOL, *map(str, words)])
        return subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
        )

    def preflight(self, *words: str, **changes: Any) -> dict[str, Any]:
        """Return what preflight tells as JSON; exit 4 exactly when something forbids the work."""
        done = self.manage(
            "cluster", "preflight", "-i", self.inventory(**changes), "--json", *words
        )
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        assert done.returncode == (4 if told["counts"].get("failed") else 0), done.stderr
        return told

    def findings(self, **changes: Any) -> dict[str, dict[str, str]]:
        """Return by node the codes that preflight finds, with their words."""
        found: dict[str, dict[str, str]] = {name: {} for name in self.names}
        for finding in self.preflight(**changes)["findings"]:
            if finding["verdict"] != "waived":
                assert finding["remedy"]
                found[finding["node"]][finding["code"]] = finding["what"]
        return found

    def state(self, host: str) -> set[str]:
        return host_state(lambda script: self.sandbox.output(host, "sh", "-euc", script))

    def sh(self, host: str, script: str) -> None:
        self.sandbox.output(host, "sh", "-euc", script)


@pytest.fixture(scope="module")
def hosts(three_hosts: Sandbox, bundle: Path, tmp_path_factory: Any) -> Iterator[Hosts]:
    made = Hosts(three_hosts, tmp_path_factory.mktemp("preflight"), bundle)
    yield made
    assert made.findings() == {name: {} for name in made.names}, "every break was undone"


def test_bare_hosts_have_no_finding(hosts):
    assert hosts.findings() == {name: {} for name in hosts.names}


@pytest.mark.parametrize(
    "breaks",
    [BREAKS[at : at + 3] for at in range(0, len(BREAKS), 3)],
    ids=lambda breaks: "+".join(b.name for b in breaks),
)
def test_what_is_broken_is_found_there_and_nothing_else(hosts, breaks):
    broken = dict(zip(hosts.names, breaks, strict=False))
    try:
        for host, one in broken.items():
            hosts.sh(host, one.do)
        found = hosts.findings()
    finally:
        for host, one in broken.items():
            hosts.sh(host, one.undo)

    expected = {name: set(broken[name].codes) if name in broken else set() for name in hosts.names}
    assert {name: set(codes) for name, codes in found.items()} == expected
    for host, one in broken.items():
        assert one.says in found[host][one.name]


@pytest.mark.parametrize("case", DISAGREEMENTS, ids=lambda case: case.code)
def test_hosts_that_disagree_are_told_from_the_others(hosts, case):
    try:
        for host, script in zip(hosts.names, case.do, strict=True):
            hosts.sh(host, script)
        found = hosts.findings()
    finally:
        for host in hosts.names:
            hosts.sh(host, case.undo)

    wrong = {hosts.names[number] for number in case.wrong}
    assert {name for name, codes in found.items() if case.code in codes} == wrong
    assert all(set(codes) <= {case.code} for codes in found.values())


class TestInventories:
    """What the inventory asks for and the hosts do not have."""

    def test_more_memory_than_there_is(self, hosts):
        demand = {"minimum_required_total_physical_memory_in_mb": 1 << 20}

        found = hosts.findings(settings={"validations": demand})

        assert {frozenset(codes) for codes in found.values()} == {frozenset({"memory-short"})}

    def test_a_user_who_may_not_become_root(self, hosts):
        one = hosts.names[0]
        login = {**yaml.safe_load(hosts.inventory().read_text())["ssh"], "user": "debian"}
        hosts.sh(one, "mv /etc/sudoers.d/debian /root/sudoers")
        try:
            found = hosts.findings(ssh=login)
        finally:
            hosts.sh(one, "mv /root/sudoers /etc/sudoers.d/debian")

        assert {n: set(codes) for n, codes in found.items() if codes} == {one: {"node-unreachable"}}
        assert "sudo wants a password" in found[one]["node-unreachable"]

    def test_an_address_that_the_host_does_not_have(self, hosts):
        nodes = [
            {
                "name": name,
                "address": hosts.sandbox.address(name),
                "roles": ALL,
                "networks": {"agents": f"192.0.2.{number}"},
            }
            for number, name in enumerate(hosts.names)
        ]

        found = hosts.findings(nodes=nodes)

        assert {frozenset(codes) for codes in found.values()} == {frozenset({"address-not-here"})}

    def test_names_that_one_host_does_not_know_and_another_knows_otherwise(self, hosts):
        nodes = [{"name": name, "address": name, "roles": ALL} for name in hosts.names]
        one, two, three = hosts.names
        for host in (one, two):
            hosts.sh(host, "cp /etc/hosts /root/hosts")
        try:
            hosts.sh(one, f"sed -i '/{three}$/d' /etc/hosts")
            hosts.sh(two, f"sed -i 's/^.* {two}$/127.0.1.1 {two}/' /etc/hosts")
            found = hosts.findings(nodes=nodes)
        finally:
            for host in (one, two):
                hosts.sh(host, "cat /root/hosts >/etc/hosts")

        told = {name: {code for code in codes if "name" in code} for name, codes in found.items()}
        assert told == {one: {"name-unresolved"}, two: {"name-disputed"}, three: set()}

    def test_no_package_source_without_a_bundle(self, hosts):
        one, two, _ = hosts.names
        source = "/etc/apt/sources.list.d/away.list"
        hosts.sh(two, f"echo 'deb http://192.0.2.1/debian trixie main' >{source}")
        try:
            found = hosts.findings(bundle=None)
        finally:
            hosts.sh(two, f"rm {source}")

        assert set(found[one]) == {"package-missing"}
        assert set(found[two]) == {"package-missing", "source-unreachable"}
        assert "192.0.2.1" in found[two]["source-unreachable"]

    def test_a_virtual_ip_that_another_machine_answers_for(self, hosts):
        one, two, three = hosts.names
        address = ".".join([*hosts.sandbox.address(one).split(".")[:3], "199"])
        roles = {one: ["loadbalancer"], two: ["loadbalancer"], three: ALL}
        nodes = [
            {"name": name, "address": hosts.sandbox.address(name), "roles": own}
            for name, own in roles.items()
        ]
        hosts.sh(three, f"ip address add {address}/24 dev host0")
        try:
            found = hosts.findings(nodes=nodes, load_balancer={"virtual_ip": address})
        finally:
            hosts.sh(three, f"ip address del {address}/24 dev host0")

        assert set(found[one]) == {"virtual-ip-answers"}
        assert set(found[two]) == {"virtual-ip-answers"}

    def test_another_machine_than_at_the_last_run(self, hosts):
        runs = hosts.folder / "bare.runs"
        runs.mkdir()
        (runs / "machines.json").write_text(json.dumps({hosts.names[0]: "another"}))
        try:
            found = hosts.findings(secrets="secrets.yaml")
        finally:
            shutil.rmtree(runs)

        assert {name: set(codes) for name, codes in found.items() if codes} == {
            hosts.names[0]: {"host-replaced"}
        }


class TestFirewall:
    """The machine's own nft, with its libraries, is lent to a host."""

    RULES = """
        table inet filter {
          chain input {
            type filter hook input priority filter; policy drop;
            iif "lo" accept
            ct state established,related accept
            tcp dport 22 accept
          }
        }
    """

    @pytest.fixture
    def shut(self, hosts):
        nft = shutil.which("nft", path="/usr/sbin:/usr/bin")
        if nft is None:
            pytest.skip("this machine has no nft to lend")
        host = hosts.names[0]
        said = subprocess.run(["ldd", nft], capture_output=True, text=True, check=True).stdout
        files = [word for line in said.splitlines() for word in line.split() if word[0] == "/"]
        archive = subprocess.run(
            ["tar", "-chf", "-", nft, *files], capture_output=True, check=True
        ).stdout
        loader = next(path for path in files if "ld-linux" in path)
        library = Path(next(path for path in files if "libnftables" in path)).parent
        wrapper = f'#!/bin/sh\nexec /lent{loader} --library-path /lent{library} /lent{nft} "$@"\n'
        command = subprocess.run(
            self.entering(hosts, host, "mkdir -p /lent && tar -C /lent -xf -"),
            input=archive,
            capture_output=True,
            check=False,
        )
        assert command.returncode == 0, command.stderr
        hosts.sh(host, f"cat >/usr/sbin/nft <<'END'\n{wrapper}END\nchmod 755 /usr/sbin/nft")
        yield host
        hosts.sh(host, "nft flush ruleset; rm -r /lent /usr/sbin/nft")

    def entering(self, hosts, host, script):
        return command_on(hosts.sandbox.name, host, ["sh", "-euc", script])

    def test_rules_that_drop_what_the_nodes_send_are_told_with_the_ports(self, hosts, shut):
        hosts.sh(shut, f"nft '{self.RULES}'")

        found = hosts.findings()

        assert set(found[shut]) == {"firewall-drops"}
        assert "5432" in found[shut]["firewall-drops"]
        assert hosts.sandbox.address(hosts.names[1]) in found[shut]["firewall-drops"]

    def test_rules_that_let_the_nodes_through_are_in_order(self, hosts, shut):
        network = hosts.sandbox.address(shut).rpartition(".")[0] + ".0/24"
        hosts.sh(shut, f"nft '{self.RULES}'")
        hosts.sh(shut, f"nft insert rule inet filter input ip saddr {network} accept")

        assert hosts.findings()[shut] == {}


class TestWaivers:
    def test_a_waived_finding_does_not_forbid_the_work(self, hosts):
        hosts.sh(hosts.names[0], "chmod 755 /tmp")
        try:
            told = hosts.preflight("--waive", "tmp-unusable")
        finally:
            hosts.sh(hosts.names[0], "chmod 1777 /tmp")

        assert "failed" not in told["counts"]
        assert [f["node"] for f in told["findings"] if f["code"] == "tmp-unusable"] == [
            hosts.names[0]
        ]

    def test_a_name_that_no_check_has_is_refused_with_the_nearest(self, hosts):
        done = hosts.manage(
            "cluster", "preflight", "-i", hosts.inventory(), "--waive", "clock-ofset"
        )

        assert done.returncode == 3
        assert "did you mean 'clock-offset'?" in done.stderr


def test_an_install_is_refused_before_its_first_change(hosts):
    host = hosts.names[0]
    hosts.sh(host, "systemctl mask nginx.service")
    before = hosts.sandbox.output(host, "sh", "-c", "ls -A /etc /opt /var/lib")
    try:
        done = hosts.manage("cluster", "install", "-i", hosts.inventory())
    finally:
        hosts.sh(host, "systemctl unmask nginx.service")

    assert done.returncode == 4
    assert "nginx.service is masked" in done.stderr
    assert hosts.sandbox.output(host, "sh", "-c", "ls -A /etc /opt /var/lib") == before


def test_reports_for_persons_and_for_build_servers(hosts):
    host = hosts.names[2]
    junit, folder = hosts.folder / "junit.xml", hosts.folder / "reports"
    hosts.sh(host, "chmod 755 /tmp")
    try:
        done = hosts.manage(
            *("cluster", "preflight", "-i", hosts.inventory()),
            *("--junit", junit, "--report", folder),
        )
    finally:
        hosts.sh(host, "chmod 1777 /tmp")

    suites = {suite.get("name"): suite for suite in ElementTree.parse(junit).getroot()}
    failed = {name: suite.get("failures") for name, suite in suites.items()}
    assert failed == {name: "1" if name == host else "0" for name in hosts.names}
    assert "chmod 1777 /tmp" in (folder / f"{host}.txt").read_text()
    assert "failed  tmp-unusable" in done.stdout
    assert "chmod 1777 /tmp" in done.stderr


def test_nothing_is_changed_on_any_host(hosts):
    before = {host: hosts.state(host) for host in hosts.names}

    hosts.preflight()

    changes = {host: changes_between(before[host], hosts.state(host)) for host in hosts.names}
    assert changes == {host: [] for host in hosts.names}
