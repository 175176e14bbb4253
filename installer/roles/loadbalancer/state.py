"""Bring one load balancer to the state that config.yaml describes."""

import shlex
from pathlib import Path

from installer.roles.loadbalancer.settings import TLS_FOLDER, LoadBalancerSettings, VirtualAddress
from installer.state import Directory, Gate, ManagedFile, NodeState, Package, Stage, Unit
from installer.templates import render

HAPROXY = "haproxy.service"
KEEPALIVED = "keepalived.service"
STATISTICS = "/run/haproxy/stats.sock"
_KEEPALIVED_CONF = "/etc/keepalived/keepalived.conf"
_PROBE = (Path(__file__).parent / "probe.py").read_text()


def loadbalancer_stages(balancer: LoadBalancerSettings) -> tuple[Stage, ...]:
    """Return the stages of a load balancer: packages, then its services in front of managers."""
    address = balancer.virtual_address
    return (
        Stage(name="packages", state=_packages(balancer)),
        Stage(
            name="haproxy",
            state=_haproxy(balancer) | (_keepalived(address) if address else NodeState()),
            gate=_gate(balancer),
            after=("manager",),
        ),
    )


def _packages(balancer: LoadBalancerSettings) -> NodeState:
    # keepalived itself waits for its configuration, which the package does not bring
    names = ("haproxy", "keepalived") if balancer.virtual_address else ("haproxy",)
    condition = ManagedFile(
        path=f"/etc/systemd/system/{HAPROXY}.d/10-configured.conf",
        content=render("loadbalancer/10-configured.conf.j2", path=balancer.certificate_path),
        before_packages=True,
    )
    return NodeState(packages=tuple(Package(name) for name in names), files=(condition,))


def _haproxy(balancer: LoadBalancerSettings) -> NodeState:
    drop_in = ManagedFile(
        path=f"/etc/systemd/system/{HAPROXY}.d/20-hardening.conf",
        content=render("loadbalancer/20-haproxy.conf.j2", balancer=balancer),
    )
    files = (
        ManagedFile(
            path="/etc/haproxy/haproxy.cfg",
            content=render("loadbalancer/haproxy.cfg.j2", balancer=balancer),
        ),
        ManagedFile(
            path=balancer.certificate_path,
            content=balancer.certificate.rstrip(b"\n") + b"\n" + balancer.key,
            owner="haproxy",
            mode=0o400,  # the key is in it
            secret=True,
        ),
        ManagedFile(path=balancer.ca_path, content=balancer.ca),
    )
    unit = Unit(
        name=HAPROXY,
        restart_on=(drop_in.path,),
        reload_on=tuple(file.path for file in files),  # a reload keeps connections
        one_at_a_time=True,
    )
    folder = Directory(path=TLS_FOLDER, owner="root", group="haproxy", mode=0o750)
    return NodeState(directories=(folder,), files=(drop_in, *files), units=(unit,))


def _keepalived(address: VirtualAddress) -> NodeState:
    conf = ManagedFile(
        path=_KEEPALIVED_CONF,
        content=render("loadbalancer/keepalived.conf.j2", address=address),
        mode=0o600,  # the password is in it
        secret=True,
    )
    drop_in = ManagedFile(
        path=f"/etc/systemd/system/{KEEPALIVED}.d/20-hardening.conf",
        content=render("loadbalancer/20-keepalived.conf.j2", address=address),
    )
    unit = Unit(
        name=KEEPALIVED,
        restart_on=(drop_in.path,),
        reload_on=(conf.path,),
        one_at_a_time=True,
    )
    return NodeState(files=(conf, drop_in), units=(unit,))


def _gate(balancer: LoadBalancerSettings) -> Gate:
    address = balancer.virtual_address
    words = (
        STATISTICS,
        address.virtual_ip if address else "-",
        *(manager.address for manager in balancer.managers),
    )
    return Gate(
        name="a manager works behind HAProxy",
        check=f"exec python3 -I - {shlex.join(words)} <<'PROBE'\n{_PROBE}PROBE\n",
        timeout_s=60,
        units=(HAPROXY, KEEPALIVED) if address else (HAPROXY,),
        needs_peers=True,
    )
