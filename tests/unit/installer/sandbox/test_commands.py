"""What is asked of the system's tools."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from installer.sandbox import cgroup, guest, links, network, ssh
from installer.sandbox.faults import slow_link
from installer.sandbox.freeze import matches
from installer.sandbox.plan import Node, plan_hosts
from installer.sandbox.record import Fault, FaultKind, Record

PLAN = plan_hosts(
    [
        Node("db-1", {"default": "10.0.0.11", "app": "10.9.0.11"}),
        Node("db-2", {"default": "10.0.0.12"}),
    ]
)
MADE = Record(name="demo", suite="trixie", image="/images/trixie", plan=PLAN)
PLACE = guest.Place(
    sandbox="demo", host="db-1", folder=Path("/s/demo/hosts/db-1"), namespace=Path("/s/ns/db-1")
)


def rules(*faults):
    numbered = tuple(replace(fault, number=n) for n, fault in enumerate(faults, start=1))
    return links.ruleset(replace(MADE, faults=numbered)).splitlines()


def fault(kind, *hosts):
    return Fault(number=0, kind=kind, hosts=hosts)


@pytest.mark.parametrize("kind", [FaultKind.CUT, FaultKind.POWER_OFF, FaultKind.STOP])
def test_a_host_that_is_cut_or_off_neither_speaks_nor_hears_on_any_card(kind):
    lines = rules(fault(kind, "db-1"))

    for port in ("p1-host0", "p1-host1"):
        assert f"  iifname {port} drop" in lines
        assert f"  oifname {port} drop" in lines
    assert not [line for line in lines if "p2-host0" in line]


def test_a_pair_that_is_cut_still_reaches_all_others():
    lines = [line for line in rules(fault(FaultKind.CUT_PAIR, "db-1", "db-2")) if "drop" in line]

    assert "  iifname p1-host0 oifname p2-host0 drop" in lines
    assert "  iifname p2-host0 oifname p1-host0 drop" in lines
    assert all("iifname" in line and "oifname" in line for line in lines)


def test_without_faults_no_frame_is_dropped():
    assert "drop" not in "\n".join(rules(fault(FaultKind.FREEZE, "db-1")))


def test_a_host_gets_a_fresh_namespace_at_each_boot():
    """Addresses that keepalived added before a power cut must be gone after it."""
    lines = network.plug_in_script(PLAN, PLAN.hosts[0], Path("/ns/db-1")).splitlines()

    assert lines.index("umount /ns/db-1 2>/dev/null || :") < lines.index(
        "unshare --net=/ns/db-1 true"
    )
    assert "address add 10.0.0.11/24 dev host0" in lines
    assert "address add 10.9.0.11/24 dev host1" in lines
    assert f"route add default via {PLAN.segments[0].controller}" in lines


def test_an_ipv6_address_may_be_bound_at_once():
    """A search for duplicates takes a second, in which a service that starts cannot have it."""
    plan = plan_hosts([Node("db-1", {"default": "fd00::11"})])

    script = network.plug_in_script(plan, plan.hosts[0], Path("/ns/db-1"))

    assert "address add fd00::11/64 dev host0 nodad\n" in script


def test_the_scripts_are_shell():
    for text in (
        network.plug_in_script(PLAN, PLAN.hosts[0], Path("/ns/db-1")),
        links.discipline_script(PLAN.hosts[0], Path("/ns/db-1"), "noqueue"),
    ):
        assert subprocess.run(["sh", "-n"], input=text, text=True).returncode == 0


@pytest.mark.parametrize(("systemd", "keeps_unit"), [(True, False), (False, True)])
def test_only_a_machine_with_systemd_is_asked_for_a_scope(monkeypatch, systemd, keeps_unit):
    monkeypatch.setattr(guest, "machine_has_systemd", lambda: systemd)

    assert ("--keep-unit" in guest.boot_command(PLACE)) is keeps_unit


def test_a_machine_name_is_never_longer_than_a_host_name_may_be():
    words = guest.boot_command(replace(PLACE, host="x" * 63))

    (machine,) = [word for word in words if word.startswith("--machine=")]
    assert len(machine.removeprefix("--machine=")) == 64


def test_a_host_gets_a_group_in_every_tree_where_systemd_keeps_services():
    mounts = (
        "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
        "cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0\n"
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
    )

    roots = cgroup.group_roots(mounts)

    assert roots == [Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified")]


def test_known_hosts_pins_every_address_of_a_host():
    keys = {"db-1": "ssh-ed25519 AAA1 db-1\n", "db-2": "ssh-ed25519 AAA2 db-2\n"}

    text = ssh.known_hosts_text(PLAN, keys)

    assert text.splitlines() == [
        "db-1,10.0.0.11,10.9.0.11 ssh-ed25519 AAA1",
        "db-2,10.0.0.12 ssh-ed25519 AAA2",
    ]


@pytest.mark.parametrize(
    ("rate_kbit", "delay_ms", "discipline"),
    [
        (512, None, "tbf rate 512kbit burst 16kb latency 400ms"),
        (None, 50, "netem delay 50ms"),
        (512, 50, "netem delay 50ms rate 512kbit"),
    ],
)
def test_a_slow_link_needs_netem_only_for_a_delay(rate_kbit, delay_ms, discipline):
    assert slow_link(rate_kbit, delay_ms) == discipline


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("patroni.service", True),
        ("etcd.service", False),
        ("patroni", True),
        ("python3", True),
        ("patron", False),
        ("/usr/bin/patroni", False),
        ("config.yml", False),
    ],
)
def test_a_process_is_known_by_unit_name_or_script(pattern, meant):
    found = matches(
        pattern,
        command="patroni",
        arguments=["/usr/bin/python3", "/usr/bin/patroni", "/etc/patroni/config.yml", ""],
        groups=["0::", "payload", "system.slice", "patroni.service"],
    )

    assert found is meant


def test_a_name_longer_than_the_kernel_keeps_is_still_found():
    assert matches(
        "prometheus-postgres-exporter", command="prometheus-post", arguments=[""], groups=[]
    )
