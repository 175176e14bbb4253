"""Bring one manager node to the state that config.yaml describes."""

import shlex
from pathlib import Path

from installer.bundle.use import environment_mark
from installer.roles.manager.bootstrap import (
    RECORD,
    RESTORED,
    USER,
    bootstrap_step,
    creation_steps,
    settle_step,
)
from installer.roles.manager.model import ManagerSettings
from installer.roles.manager.runtime_config import (
    CONFIG_PATH,
    HOME,
    RESOURCES,
    SYNC_HOME,
    TLS,
    runtime_config,
)
from installer.roles.manager.web import NGINX, WEB_USER, web_packages, web_state
from installer.state import (
    Directory,
    Gate,
    ManagedFile,
    NodeState,
    Package,
    Stage,
    Step,
    Unit,
    UnitTarget,
    User,
)
from installer.templates import render

REST, WORKER, SYNC, RECONCILER = (
    "cloudify-restservice.service",
    "cloudify-mgmtworker.service",
    "cloudify-syncthing.service",
    "cloudify-file-sync.service",
)
_PROBE = (Path(__file__).parent / "probe.py").read_text()
WORK = f"{HOME}/work"  # the worker's plugins and temporary files
_UNIT_FOLDER = "/etc/systemd/system"
_CODE = environment_mark("manager")  # changes with the runtime's environment


# load balancers send what it refuses to another manager; requests under way are answered
_LEAVE = Step(
    name="Take no more requests",
    guard=f"! systemctl is-active --quiet {NGINX}",
    script=f"systemctl stop {NGINX}",
)


def manager_stages(manager: ManagerSettings) -> tuple[Stage, ...]:
    """Return the stages of a manager: packages, its part in the cluster, its services."""
    return (
        Stage(name="packages", state=web_packages(manager.web) | _programs(manager)),
        Stage(
            name="runtime",
            after=("toolkit", "database", "queue"),
            state=_runtime(manager),
            steps=(*creation_steps(manager), settle_step()),
        ),
        # where a database was restored nobody enters it before it is settled: in its past an
        # address may have been another manager's
        Stage(name="entry", steps=(bootstrap_step(manager),)),
        Stage(
            name="services",
            state=_services(manager) | web_state(manager.web),
            gate=_rest_gate(manager),
            hand_over=_LEAVE,
        ),
    )


def _programs(manager: ManagerSettings) -> NodeState:
    """Return packages and our units; systemd reads them once, after the packages."""
    units = (REST, WORKER, SYNC, RECONCILER) if manager.has_file_sync else (REST, WORKER)
    return NodeState(
        packages=(Package("syncthing"),),
        files=tuple(_unit_file(name, manager) for name in units),
    )


def _runtime(manager: ManagerSettings) -> NodeState:
    return NodeState(
        users=(User(name=USER, home=HOME),),
        directories=(
            Directory(path=HOME),
            # nginx may enter, and nobody else; what is below is open to whoever entered
            Directory(path=RESOURCES, owner=USER, group=WEB_USER, mode=0o750),
            Directory(path=WORK, owner=USER, mode=0o700),
            Directory(path=SYNC_HOME, owner=USER, mode=0o700),
            Directory(path=TLS, group=USER, mode=0o750),
        ),
        files=(_runtime_file(manager), *_trust(manager), *_device(manager)),
    )


def _runtime_file(manager: ManagerSettings) -> ManagedFile:
    return ManagedFile(
        path=CONFIG_PATH,
        content=runtime_config(manager),
        group=USER,
        mode=0o640,  # passwords are in it: the runtime reads, and cannot change it
        secret=True,
    )


def _trust(manager: ManagerSettings) -> tuple[ManagedFile, ...]:
    contents = {f"{TLS}/ca.crt": manager.ca, f"{TLS}/broker-ca.crt": manager.broker.ca}
    database = manager.database
    if database.ca:
        contents[f"{TLS}/database-ca.crt"] = database.ca
    if database.client:
        contents[f"{TLS}/database-client.crt"] = database.client.certificate
        contents[f"{TLS}/database-client.key"] = database.client.key
    return _owner_pair(manager) + tuple(
        ManagedFile(
            path=path,
            content=content,
            group=USER,
            mode=0o640,  # libpq takes a key that a group reads only if it is root's
            secret=path.endswith(".key"),
        )
        for path, content in contents.items()
    )


def _owner_pair(manager: ManagerSettings) -> tuple[ManagedFile, ...]:
    """Return the certificate of the database's administrator, which is root's alone."""
    pair = manager.owner.client if manager.owner else None
    if pair is None:
        return ()
    contents = {"crt": pair.certificate, "key": pair.key}
    return tuple(
        ManagedFile(
            path=f"{TLS}/database-owner.{kind}",
            content=content,
            mode=0o600,
            secret=kind == "key",
        )
        for kind, content in contents.items()
    )


def _device(manager: ManagerSettings) -> tuple[ManagedFile, ...]:
    """Return the certificate by which the other managers' syncthing knows this one."""
    if not manager.has_file_sync:
        return ()
    pair = {"cert.pem": manager.internal.certificate, "key.pem": manager.internal.key}
    return tuple(
        ManagedFile(
            path=f"{SYNC_HOME}/{name}",
            content=content,
            owner=USER,
            mode=0o400,  # syncthing is its only reader
            secret=name == "key.pem",
        )
        for name, content in pair.items()
    )


def _services(manager: ManagerSettings) -> NodeState:
    # libpq reads the certificate that it shows anew for each connection
    shown = (f"{TLS}/database-client.", f"{TLS}/database-owner.")
    trust = tuple(file.path for file in _trust(manager) if not file.path.startswith(shown))
    changes = (CONFIG_PATH, *trust, _CODE)
    state = NodeState(
        units=tuple(
            Unit(name=name, restart_on=(_unit_path(name), *changes), one_at_a_time=True)
            for name in (REST, WORKER)
        ),
        data=(
            WORK,
            "/var/log/cloudify/nginx",
            "/var/www/html/index.nginx-debian.html",  # Debian's package makes it and leaves it
            RECORD,
            RESTORED,
        ),
    )
    return state | _replication(manager, trust)


def _replication(manager: ManagerSettings, trust: tuple[str, ...]) -> NodeState:
    if not manager.has_file_sync:
        stopped = (Unit(name=name, target=UnitTarget.STOPPED) for name in (RECONCILER, SYNC))
        return NodeState(units=tuple(stopped))
    device = tuple(file.path for file in _device(manager))
    settings = (CONFIG_PATH, *trust, *device, _CODE)
    return NodeState(
        units=(
            Unit(name=SYNC, restart_on=(_unit_path(SYNC), *device)),
            Unit(name=RECONCILER, restart_on=(_unit_path(RECONCILER), *settings)),
        ),
    )


def _unit_file(name: str, manager: ManagerSettings) -> ManagedFile:
    values = {"user": USER, "home": HOME, "resources": RESOURCES}
    environment = (manager.worker if name == WORKER else manager.rest).environment
    content = render(f"manager/{name}.j2", environment=environment, **values)
    return ManagedFile(path=_unit_path(name), content=content, before_packages=True)


def _unit_path(name: str) -> str:
    return f"{_UNIT_FOLDER}/{name}"


def _rest_gate(manager: ManagerSettings) -> Gate:
    units = (NGINX, REST, WORKER, *((SYNC, RECONCILER) if manager.has_file_sync else ()))
    return Gate(
        name="the REST service answers over TLS and asks for a login",
        # one by one: of several, `is-active` is content with any
        check=f"for unit in {' '.join(units)}; do systemctl is-active $unit; done\n"
        f"{_ask('login', manager)}",
        timeout_s=90,
        units=units,
    )


def works_gate(manager: ManagerSettings) -> Gate:
    """Return the gate that is passed when a broker and the database's primary serve the manager."""
    return Gate(
        name="the manager works with the database and the broker",
        check=_ask("works", manager),
        timeout_s=120,
        units=(NGINX, REST),
    )


def _ask(question: str, manager: ManagerSettings) -> str:
    ports = map(str, manager.web.sites[0].ports)
    words = shlex.join([question, manager.hostname, f"{TLS}/ca.crt", *ports])
    return f"exec python3 -I - {words} <<'PROBE'\n{_PROBE}PROBE\n"
