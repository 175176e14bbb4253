import re
import subprocess

import pytest

from installer.roles.loadbalancer.settings import LoadBalancerSettings
from installer.roles.loadbalancer.state import HAPROXY, KEEPALIVED, loadbalancer_stages
from installer.state import NodeState, Unit


def _services(settings: LoadBalancerSettings) -> NodeState:
    packages, haproxy, _ = loadbalancer_stages(settings)
    return packages.state | haproxy.state


def _conf(settings: LoadBalancerSettings) -> str:
    return _services(settings).file("/etc/haproxy/haproxy.cfg").content.decode()


def _unit(settings: LoadBalancerSettings, name: str) -> Unit:
    return next(unit for unit in _services(settings).units if unit.name == name)


def _servers(conf: str) -> list[str]:
    return [line.strip() for line in conf.splitlines() if line.startswith("    server ")]


def test_both_ports_go_to_the_same_port_of_every_manager(balancer):
    targets = [line.split()[2] for line in _servers(_conf(balancer()))]

    assert targets == ["10.0.0.31:443", "10.0.0.32:443", "10.0.0.31:53333", "10.0.0.32:53333"]


def test_managers_must_show_a_certificate_with_their_name(balancer):
    """Any certificate of the CA would do otherwise, such as that of a broker."""
    conf = _conf(balancer())

    assert "verify required ca-file /etc/haproxy/tls/ca.crt" in conf
    assert "verify none" not in conf
    for line in _servers(conf):
        name = line.split()[1]
        assert f"verifyhost {name}" in line
        assert f"sni str({name})" in line


def test_the_health_check_is_the_one_of_the_cluster_guide(balancer):
    conf = _conf(balancer())

    assert "http-check send meth GET uri /api/v3.1/status" in conf
    assert "http-check expect status 401" in conf
    assert re.search(r"inter 3s .*fall 3 rise 2 on-marked-down shutdown-sessions", conf)
    assert "stick on src" in conf


def test_unanswered_data_ends_a_connection_to_each_server(balancer):
    """HAProxy takes `tcp-ut` of `default-server` without a word, and does not apply it."""
    conf = _conf(balancer())

    assert all(" tcp-ut 6s " in line for line in _servers(conf))
    assert "tcp-ut" not in re.search(r"default-server .*", conf)[0]


def test_only_requests_that_may_be_sent_twice_are(balancer):
    conf = _conf(balancer())

    assert "http-request disable-l7-retry unless { method GET HEAD OPTIONS }" in conf


def test_statistics_are_on_a_socket_of_this_host_only(balancer):
    conf = _conf(balancer())

    assert "stats socket /run/haproxy/stats.sock mode 600" in conf
    assert "stats uri" not in conf
    assert re.findall(r"bind (\S+)", conf) == [":80", ":443", ":53333"]


def test_certificate_and_key_are_readable_by_haproxy_only(balancer):
    file = _services(balancer()).file("/etc/haproxy/tls/node.pem")

    assert file.content == b"<node.crt>\n<node.key>\n"
    assert (file.owner, file.mode, file.secret) == ("haproxy", 0o400, True)


def test_a_new_certificate_does_not_cut_connections(balancer):
    unit = _unit(balancer(), HAPROXY)

    assert "/etc/haproxy/tls/node.pem" in unit.reload_on
    assert "/etc/haproxy/tls/node.pem" not in unit.restart_on


def test_a_single_load_balancer_has_no_keepalived(balancer):
    packages, services, _ = loadbalancer_stages(balancer())

    assert [package.name for package in packages.state.packages] == ["haproxy"]
    assert [unit.name for unit in services.state.units] == [HAPROXY]


def test_only_the_proof_waits_for_the_managers(balancer):
    """HAProxy itself finds managers when they come; its start would be time lost at the end."""
    stages = loadbalancer_stages(balancer())

    assert [stage.after for stage in stages] == [(), (), ("manager",)]
    assert stages[-1].gate.needs_peers
    assert [stage.gate and stage.gate.check.split()[4] for stage in stages] == [
        None,
        "if-any",
        "at-least-one",
    ]


def test_what_changes_a_unit_is_there_before_its_package(pair):
    """systemd then reads it once, and no package starts anything that is not hardened."""
    packages = loadbalancer_stages(pair())[0].state

    assert all(file.before_packages for file in packages.files)
    assert f"/etc/systemd/system/{KEEPALIVED}.d/20-hardening.conf" in {
        f.path for f in packages.files
    }


def test_two_load_balancers_share_the_virtual_address(pair):
    conf = _services(pair()).file("/etc/keepalived/keepalived.conf")
    text = conf.content.decode()

    assert conf.mode == 0o600
    assert re.search(r"virtual_ipaddress {\s+10.0.0.40\s", text)
    assert re.search(r"unicast_src_ip 10.0.0.41\s+unicast_peer {\s+10.0.0.42\s", text)
    assert "auth_pass vrrp-pw1" in text
    assert "track_script" in text
    assert {HAPROXY, KEEPALIVED} == {unit.name for unit in _services(pair()).units}


@pytest.mark.parametrize(
    ("address", "loopback"), [("10.0.0.40", "127.0.0.1"), ("2001:db8::40", "::1")]
)
def test_a_load_balancer_without_a_peer_tells_itself_that_it_has_the_address(
    pair, address, loopback
):
    """By multicast it would lose the address for seconds when a peer comes."""
    alone = _services(pair(peers={}, virtual_ip=address))
    text = alone.file("/etc/keepalived/keepalived.conf").content.decode()

    assert re.search(rf"unicast_peer {{\s+{loopback}\s", text)
    assert re.search(rf"virtual_ipaddress {{\s+{address}\s", text)


def test_the_pair_agrees_on_the_group_but_not_on_the_priority(pair):
    first = pair("lb-1").virtual_address
    second = pair("lb-2", peers={"lb-1": {"address": "10.0.0.41"}}).virtual_address

    assert first.router_id == second.router_id == 40
    assert first.priority > second.priority


@pytest.mark.parametrize(("address", "number"), [("10.0.0.0", 255), ("10.0.0.255", 255)])
def test_the_group_number_is_one_that_vrrp_knows(pair, address, number):
    assert pair(virtual_ip=address).virtual_address.router_id == number


def test_the_interface_is_found_on_the_node_unless_given(pair):
    drop_in = f"/etc/systemd/system/{KEEPALIVED}.d/20-hardening.conf"

    found, given = _services(pair()), _services(pair(interface="eth1"))

    assert "ip -o address show to 10.0.0.41" in found.file(drop_in).content.decode()
    assert "ExecStartPre" not in given.file(drop_in).content.decode()
    conf = given.file("/etc/keepalived/keepalived.conf").content.decode()
    assert "interface eth1" in conf
    assert "include" not in conf


def test_the_gate_is_shell_and_looks_at_the_virtual_address(balancer, pair):
    alone, shared = (loadbalancer_stages(make())[-1].gate for make in (balancer, pair))

    subprocess.run(["sh", "-n"], input=alone.check, text=True, check=True)
    assert "/run/haproxy/stats.sock - 10.0.0.31 10.0.0.32 <<" in alone.check
    assert "/run/haproxy/stats.sock 10.0.0.40 10.0.0.31 10.0.0.32 <<" in shared.check


def test_a_stop_of_haproxy_hands_the_address_over_first(balancer, pair):
    """Clients would be refused until the other one misses HAProxy."""
    state = _services(pair())
    haproxy, keepalived = (
        state.file(f"/etc/systemd/system/{unit}.d/20-hardening.conf").content.decode()
        for unit in (HAPROXY, KEEPALIVED)
    )
    alone = _services(balancer()).file(f"/etc/systemd/system/{HAPROXY}.d/20-hardening.conf")

    assert "PartOf=haproxy.service\nAfter=haproxy.service" in keepalived
    assert "Wants=keepalived.service" in haproxy
    assert "keepalived" not in alone.content.decode()


@pytest.mark.parametrize(("has_ipv6", "count"), [(True, 3), (False, 0)])
def test_every_port_is_open_on_ipv6_where_the_kernel_has_it(balancer, has_ipv6, count):
    conf = _conf(balancer(has_ipv6=has_ipv6))

    assert conf.count("    bind :::") == conf.count(" v6only") == count
