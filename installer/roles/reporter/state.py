"""What a node must have to report its status to the managers."""

from dataclasses import dataclass, replace

import yaml

from installer.bundle.use import environment_mark
from installer.reporter.settings import CONFIG_PATH, HOME, UNIT, USER, ReporterSettings
from installer.state import Directory, Gate, ManagedFile, NodeState, Stage, Unit, User
from installer.templates import render

_UNIT_PATH = f"/etc/systemd/system/{UNIT}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReporterFiles:
    """The certificates a reporter reads, as bytes: two CAs and this node's own pair."""

    manager_ca: bytes
    node_ca: bytes
    client_cert: bytes
    client_key: bytes


def reporter_stages(settings: ReporterSettings, files: ReporterFiles) -> tuple[Stage, ...]:
    """Return the one stage of the status reporter."""
    paths = {
        "ca_path": f"{HOME}/tls/manager-ca.crt",
        "node_ca_path": f"{HOME}/tls/node-ca.crt",
        "client_cert_path": f"{HOME}/tls/node.crt",
        "client_key_path": f"{HOME}/tls/node.key",
    }
    extra = {key: path for key, path in paths.items() if key != "ca_path"}
    own = replace(
        settings, ca_path=paths["ca_path"], extra_config={**settings.extra_config, **extra}
    )
    contents = (files.manager_ca, files.node_ca, files.client_cert, files.client_key)
    managed = [
        ManagedFile(
            path=path,
            content=content,
            owner=USER,
            mode=0o400,
            secret=path.endswith(".key"),
        )
        for path, content in zip(paths.values(), contents, strict=True)
    ]
    managed.append(
        ManagedFile(
            path=str(CONFIG_PATH),
            content=yaml.safe_dump(own.to_document(), sort_keys=False).encode(),
            owner=USER,
            mode=0o400,  # the token is in it
            secret=True,
        )
    )
    managed.append(
        ManagedFile(
            path=_UNIT_PATH,
            content=render("reporter/cloudify-status-reporter.service.j2", user=USER),
        )
    )
    own_paths = [file.path for file in managed]
    return (
        Stage(
            name="service",
            after=("toolkit", "manager"),
            state=NodeState(
                users=(User(name=USER, home=str(HOME)),),
                directories=(
                    Directory(path=str(HOME), owner=USER, mode=0o750),
                    Directory(path=f"{HOME}/tls", owner=USER, mode=0o700),
                ),
                files=tuple(managed),
                units=(Unit(name=UNIT, restart_on=(*own_paths, environment_mark("installer"))),),
            ),
            gate=Gate(
                name="the status reporter runs",
                check=f"systemctl is-active {UNIT}",
                timeout_s=20,
                units=(UNIT,),
            ),
        ),
    )
