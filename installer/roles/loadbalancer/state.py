"""Bring one load balancer to the state that config.yaml describes."""

import shlex
from pathlib import Path

from installer.roles.loadbalancer.settings import TLS_FOLDER, LoadBalancerSettings, VirtualAddress
from installer.state import Directory, Gate, ManagedFile, NodeState, Package, Stage, Step, Unit
from installer.templates import render

HAPROXY = "haproxy.service"
KEEPALIVED = "keepalived.service"
STATISTICS = "/run/haproxy/stats.sock"
_KEEPALIVED_CONF = "/etc/keepalived/keepalived.conf"
_IF_ANY, _AT_LEAST_ONE, _ALL = (
    "if-any",
    "at-least-one",
    "all",
)  # what the probe wants of the managers
_PROBE = (Path(__file__).parent / "probe.py").read_text()


_LEAVE = Step(
    name="Leave the virtual address to the other load balancer",
    guard=f"! systemctl is-active --quiet {KEEPALIVED}",
    script=f"systemctl stop {KEEPALIVED}",
)


def loadbalancer_stages(balancer: LoadBalancerSettings) -> tuple[Stage, ...]:
    """Return the stages of a load balancer: packages, its services, the managers behind them.

    HAProxy waits for managers by itself, so it starts beside them; only the proof comes after.
    """
    address = balancer.virtual_address
    return (
        Stage(name="packages", state=_packages(balancer)),
        Stage(
            name="haproxy",
            state=_haproxy(balancer) | (_keepalived(address) if address else NodeState()),
            gate=_gate(balancer, "HAProxy serves what managers there are", _IF_ANY),
            hand_over=_LEAVE if address else None,
        ),
        Stage(
            name="managers",
            after=("manager",),
            gate=_gate(balancer, "a manager works behind HAProxy", _AT_LEAST_ONE),
            settled=_gate(balancer, "all managers work behind HAProxy", _ALL),
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
    hardening = [_hardening(HAPROXY, balancer=balancer)]
    if balancer.virtual_address:
        hardening.append(_hardening(KEEPALIVED, address=balancer.virtual_address))
    return NodeState(packages=tuple(Package(name) for name in names), files=(condition, *hardening))


def _hardening(unit: str, **values: object) -> ManagedFile:
    """Return what is ours of a unit, before its package: systemd then reads it once."""
    template = f"loadbalancer/20-{unit.removesuffix('.service')}.conf.j2"
    return ManagedFile(
        path=_drop_in(unit), content=render(template, **values), before_packages=True
    )


def _drop_in(unit: str) -> str:
    return f"/etc/systemd/system/{unit}.d/20-hardening.conf"


def _haproxy(balancer: LoadBalancerSettings) -> NodeState:
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
        restart_on=(_drop_in(HAPROXY),),
        reload_on=tuple(file.path for file in files),  # a reload keeps connections
        one_at_a_time=True,
    )
    folder = Directory(path=TLS_FOLDER, owner="root", group="haproxy", mode=0o750)
    return NodeState(directories=(folder,), files=files, units=(unit,))


def _keepalived(address: VirtualAddress) -> NodeState:
    conf = ManagedFile(
        path=_KEEPALIVED_CONF,
        content=render("loadbalancer/keepalived.conf.j2", address=address),
        mode=0o600,  # the password is in it
        secret=True,
    )
    unit = Unit(
        name=KEEPALIVED,
        restart_on=(_drop_in(KEEPALIVED),),
        reload_on=(conf.path,),
        one_at_a_time=True,
    )
    return NodeState(files=(conf,), units=(unit,))


def _gate(balancer: LoadBalancerSettings, name: str, wanted: str) -> Gate:
    address = balancer.virtual_address
    words = (
        wanted,
        STATISTICS,
        address.virtual_ip if address else "-",
        *(manager.address for manager in balancer.managers),
    )
    return Gate(
        name=name,
        check=f"exec python3 -I - {shlex.join(words)} <<'PROBE'\n{_PROBE}PROBE\n",
        timeout_s=60,
        units=(HAPROXY, KEEPALIVED) if address else (HAPROXY,),
        needs_peers=True,
    )
