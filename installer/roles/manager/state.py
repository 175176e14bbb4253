"""Bring one manager node to the state that config.yaml describes."""

import json
from pathlib import Path

from installer.roles.manager.model import ManagerSettings
from installer.roles.manager.runtime_config import (
    CONFIG_PATH,
    HOME,
    RESOURCES,
    SYNC_HOME,
    TLS,
    runtime_config,
)
from installer.secrets import Secret
from installer.state import (
    Directory,
    Gate,
    ManagedFile,
    NodeState,
    Package,
    Stage,
    Step,
    Unit,
    User,
)
from installer.templates import render

USER = "cfyuser"
REST, SYNC, RECONCILER = (
    "cloudify-restservice.service",
    "cloudify-syncthing.service",
    "cloudify-file-sync.service",
)
NGINX = "nginx.service"
_WEB_USER = "www-data"  # Debian's; nginx never runs as root here
_WEB_TLS = "/etc/nginx/tls"
_PYTHON = f"{HOME}/env/bin/python"
_CREATE_DATABASE = (Path(__file__).parent / "create_database.py").read_text()
_UNIT_FOLDER = "/etc/systemd/system"


def manager_stages(manager: ManagerSettings) -> tuple[Stage, ...]:
    """Return the stages of a manager: packages, its part in the cluster, its services."""
    return (
        Stage(name="packages", state=NodeState(packages=(Package("nginx"), Package("syncthing")))),
        Stage(
            name="runtime",
            after=("database", "queue"),
            state=_runtime(manager),
            steps=(*_database_steps(manager), _bootstrap_step(manager)),
        ),
        Stage(name="services", state=_services(manager), gate=_rest_gate(manager)),
    )


def _runtime(manager: ManagerSettings) -> NodeState:
    return NodeState(
        users=(User(name=USER, home=HOME),),
        directories=(
            Directory(path=HOME),
            Directory(path=RESOURCES, owner=USER, mode=0o750),
            Directory(path=SYNC_HOME, owner=USER, mode=0o700),
            Directory(path=TLS, owner=USER, mode=0o700),
        ),
        files=(_runtime_file(manager), *_runtime_tls(manager)),
    )


def _runtime_file(manager: ManagerSettings) -> ManagedFile:
    return ManagedFile(
        path=CONFIG_PATH,
        content=runtime_config(manager),
        owner=USER,
        mode=0o600,  # passwords of database and broker
        secret=True,
    )


def _runtime_tls(manager: ManagerSettings) -> tuple[ManagedFile, ...]:
    contents = {
        f"{TLS}/ca.crt": manager.ca,
        f"{TLS}/broker-ca.crt": manager.broker.ca,
        f"{SYNC_HOME}/cert.pem": manager.internal.certificate,
        f"{SYNC_HOME}/key.pem": manager.internal.key,
    }
    if manager.database.ca:
        contents[f"{TLS}/database-ca.crt"] = manager.database.ca
    if manager.database.client:
        contents[f"{TLS}/database-client.crt"] = manager.database.client.certificate
        contents[f"{TLS}/database-client.key"] = manager.database.client.key
    return tuple(_private(path, content, USER) for path, content in contents.items())


def _private(path: str, content: bytes, owner: str) -> ManagedFile:
    secret = path.endswith(("key", "key.pem"))
    return ManagedFile(path=path, content=content, owner=owner, mode=0o400, secret=secret)


def _database_steps(manager: ManagerSettings) -> tuple[Step, ...]:
    """Return how the role and the database come to be where we may create them."""
    if manager.owner is None:
        return ()
    database = manager.database
    words = json.dumps(
        {
            "hosts": [peer.address for peer in database.hosts],
            "port": database.port,
            "owner_database": manager.owner.database,
            "owner": manager.owner.username,
            "database": database.name,
            "username": database.username,
            "ca_path": f"{TLS}/database-ca.crt" if database.ca else None,
        }
    )
    secrets = {"OWNER_PASSWORD": manager.owner.password, "PASSWORD": database.password}
    program = f"exec {_PYTHON} -I - %s <<'PROGRAM'\n{_CREATE_DATABASE}PROGRAM\n"
    environment = f"SETTINGS={_quoted(words)}; export SETTINGS\n"
    return (
        Step(
            name="Create the managers' role and database",
            guard=environment + program % "check",
            script=environment + program % "create",
            secrets=secrets,
            once=True,
        ),
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _bootstrap_step(manager: ManagerSettings) -> Step:
    bootstrap = manager.bootstrap
    document = {
        "admin_username": bootstrap.admin_username,
        "admin_password": bootstrap.admin_password.reveal(),
        "reporter_tokens": {k: token.reveal() for k, token in bootstrap.reporter_tokens.items()},
    }
    as_user = f"setpriv --reuid={USER} --regid={USER} --init-groups {_PYTHON} -m manager"
    return Step(
        name="Enter this manager into the cluster",
        guard=f"[ -x {_PYTHON} ] && cd / && {as_user} check",
        script=f'cd /; printf %s "$BOOTSTRAP" | {as_user} bootstrap',
        secrets={"BOOTSTRAP": Secret(json.dumps(document))},
        timeout_s=120,
    )


def _services(manager: ManagerSettings) -> NodeState:
    units = {name: _unit_file(name) for name in (REST, SYNC, RECONCILER)}
    web = _web_files(manager)
    own = (CONFIG_PATH, *(file.path for file in _runtime_tls(manager)))
    wanted = (REST, SYNC, RECONCILER) if manager.has_file_sync else (REST,)
    return NodeState(
        directories=(Directory(path=_WEB_TLS, owner=_WEB_USER, mode=0o700),),
        files=(*(units[name] for name in wanted), *web),
        absent=("/etc/nginx/sites-enabled/default",),
        units=(
            *(Unit(name=name, restart_on=(*own, units[name].path)) for name in wanted),
            Unit(
                name=NGINX,
                restart_on=(f"{_UNIT_FOLDER}/{NGINX}.d/10-cloudify.conf",),
                reload_on=tuple(
                    file.path for file in web if not file.path.endswith("10-cloudify.conf")
                ),
            ),
        ),
        data=("/var/log/cloudify/nginx",),
    )


def _unit_file(name: str) -> ManagedFile:
    return ManagedFile(
        path=f"{_UNIT_FOLDER}/{name}",
        content=render(f"manager/{name}.j2", user=USER, home=HOME, resources=RESOURCES),
    )


def _web_files(manager: ManagerSettings) -> tuple[ManagedFile, ...]:
    pairs = {"internal": manager.internal, "external": manager.external}
    keys = [
        _private(f"{_WEB_TLS}/{name}.{ending}", content, _WEB_USER)
        for name, pair in pairs.items()
        for ending, content in (("crt", pair.certificate), ("key", pair.key))
    ]
    return (
        ManagedFile(
            path="/etc/nginx/nginx.conf",
            content=render("manager/nginx.conf.j2", manager=manager, tls=_WEB_TLS),
        ),
        ManagedFile(
            path=f"{_UNIT_FOLDER}/{NGINX}.d/10-cloudify.conf",
            content=render("manager/nginx-unit.conf.j2", user=_WEB_USER),
        ),
        *keys,
    )


def _rest_gate(manager: ManagerSettings) -> Gate:
    url = f"https://{_in_url(manager.private_ip)}:{manager.web.port}/api/v3.1/status"
    check = f"""\
{_PYTHON} -I - <<'PROBE'
import ssl, sys, urllib.error, urllib.request
trusted = ssl.create_default_context(cafile="{TLS}/ca.crt")
try:
    answer = urllib.request.urlopen("{url}", timeout=5, context=trusted)
    sys.exit(f"{url} answers {{answer.status}} without a login")
except urllib.error.HTTPError as error:
    sys.exit(0 if error.code == 401 else f"{url} answers {{error.code}}")
except OSError as error:
    sys.exit(f"{url}: {{error}}")
PROBE
"""
    return Gate(
        name="the REST service answers over TLS and asks for a login",
        check=check,
        timeout_s=90,
        units=(REST, NGINX),
    )


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address
