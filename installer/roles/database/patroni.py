"""The Patroni stage: PostgreSQL under Patroni, its users and the managers' database."""

import json

from installer.roles.database.access import hba_lines, ident_lines
from installer.roles.database.backup import backup_state, backup_steps
from installer.roles.database.cluster_config import cluster_config
from installer.roles.database.etcd import pair_files
from installer.roles.database.model import DatabaseSettings
from installer.roles.database.probe import probe
from installer.roles.database.sql import ask
from installer.roles.database.tuning import SOCKET_FOLDER, TLS_FOLDER
from installer.roles.database.users import application_step, users_steps
from installer.secrets import Secret
from installer.state import Directory, Gate, ManagedFile, NodeState, Stage, Step, Unit
from installer.templates import render

UNIT = "patroni.service"
UNIT_PATH = f"/etc/systemd/system/{UNIT}"
CONFIG = "/etc/patroni/config.yml"
_USER = "postgres"
_COPY_S = 12 * 3600  # a large database over a slow line
# Patroni logs in with these; the superuser's is for psql, etcd's root is for nobody here
_CERTIFICATE_USERS = ("patroni", "replicator", "postgres")


def patroni_stage(db: DatabaseSettings) -> Stage:
    """Return the stage that brings up this member, and with all of them users and database."""
    return Stage(
        name="patroni",
        state=_member(db) | backup_state(db),
        gate=cluster_gate(db),
        steps=(
            *users_steps(db),  # first: replicas cannot follow with passwords that nobody has yet
            _config_step(db),
            *((application_step(db, db.application),) if db.application else ()),
            _parameters_step(db),
            *backup_steps(db),
        ),
        hand_over=_hand_over_step(db) if db.peers else None,
    )


def patroni_unit(db: DatabaseSettings) -> ManagedFile:
    """Return the unit; it waits for its configuration, so the package's start is none."""
    return ManagedFile(
        path=UNIT_PATH,
        content=render("database/patroni.service.j2", db=db, config=CONFIG),
        before_packages=True,
    )


def _member(db: DatabaseSettings) -> NodeState:
    config = ManagedFile(
        path=CONFIG,
        content=render(
            "database/config.yml.j2",
            db=db,
            tls=TLS_FOLDER,
            rest_ca=_rest_ca(db),
            sockets=SOCKET_FOLDER,
            hba=hba_lines(db),
            ident=ident_lines(),
            # at first a quick loop: it saves seconds of waiting for each other; a step changes it
            dynamic=cluster_config(db) | {"loop_wait": 1},
        ),
        owner=_USER,
        mode=0o400,  # it holds the passwords
        secret=True,
    )
    tls = (
        ManagedFile(path=f"{TLS_FOLDER}/ca.crt", content=db.certificates.ca),
        *pair_files(TLS_FOLDER, "node", db.certificates.node, _USER),
        *(
            file
            for user in _CERTIFICATE_USERS
            if user in db.certificates.users
            for file in pair_files(TLS_FOLDER, f"client-{user}", db.certificates.users[user], _USER)
        ),
    )
    unit = Unit(
        name=UNIT,
        restart_on=(UNIT_PATH,),
        reload_on=(config.path, *(file.path for file in tls)),
        one_at_a_time=True,
    )
    return NodeState(
        directories=(
            Directory(path="/etc/patroni", owner="root", group=_USER, mode=0o750),
            Directory(path=TLS_FOLDER, owner="root", group=_USER, mode=0o750),
        ),
        files=(config, *tls),
        units=(unit,),
        data=(db.data_dir, "/var/lib/postgresql/.pgpass-patroni"),
    )


def _rest_ca(db: DatabaseSettings) -> str:
    """Return the path of whom the REST API trusts, written otherwise when a CA came or went.

    A reload of Patroni takes the file anew only when its path is another one, and a restart would
    stop PostgreSQL. Source: Patroni, api.py, `RestApiServer.reload_config`.
    """
    further = db.certificates.ca.count(b"-----BEGIN CERTIFICATE-----") - 1
    return f"{TLS_FOLDER}{'/.' * further}/ca.crt"


def cluster_gate(db: DatabaseSettings) -> Gate:
    """Return the gate that is passed when one leads and all others follow."""
    synchronous = "synchronous" if db.wants_synchronous_standby else "any"
    wanted = (len(db.members), db.release.replica_state, synchronous)
    peers = (peer.address for peer in db.peers)
    return Gate(
        name="one leader runs and every replica follows it",
        check=probe("patroni", "cluster", db.me.address, *wanted, *peers),
        timeout_s=300,
        longest_s=_COPY_S,  # replicas copy the primary's data first
        units=(UNIT, "etcd.service"),
        needs_peers=len(db.members) > 1,
    )


def _config_step(db: DatabaseSettings) -> Step:
    return Step(
        name="Change the configuration that all members share",
        guard=probe("patroni", "holds", db.me.address),
        script=probe("patroni", "change", db.me.address, db.rest_user),
        secrets={"PATRONI_CONFIG": Secret(json.dumps(cluster_config(db))), **rest_password(db)},
        once=True,
    )


def _parameters_step(db: DatabaseSettings) -> Step:
    """Return the step that restarts PostgreSQL where a parameter needs that, in the safe order."""
    on_command_line = {**db.cluster_parameters, "listen_addresses": db.listen_addresses}
    holds = ask(db, "parameters_hold", own=db.node_parameters, shared=on_command_line)
    lowered = ask(db, "parameters_lowered", shared=db.cluster_parameters)
    restart = probe("patroni", "restart", db.me.address, db.rest_user, db.me.name)
    return Step(
        name="Bring PostgreSQL's parameters into force",
        guard=holds,
        script=render(
            "database/parameters.sh.j2", holds=holds, lowered=lowered, restart=restart
        ).decode(),
        secrets=rest_password(db),
        timeout_s=180,
    )


def _hand_over_step(db: DatabaseSettings) -> Step:
    """Return the step that makes a replica lead: a switchover pauses less than a failover."""
    return Step(
        name="Let a replica lead in place of this node",
        guard=probe("patroni", "leads-not", db.me.address, db.me.name),
        script=probe("patroni", "hand-over", db.me.address, db.rest_user, db.me.name),
        secrets=rest_password(db),
        timeout_s=180,
    )


def rest_password(db: DatabaseSettings) -> dict[str, Secret]:
    """Return what a change by Patroni's REST interface needs."""
    return {"PATRONI_REST_PASSWORD": db.passwords.rest} if db.passwords.rest else {}
