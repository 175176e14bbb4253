"""The etcd stage: one member, TLS with certificates on every link, users and a role."""

import hashlib

from installer.roles.database.model import DatabaseSettings, KeyPair
from installer.roles.database.probe import probe
from installer.secrets import Secret
from installer.state import Directory, Gate, ManagedFile, NodeState, Stage, Step, Unit
from installer.templates import render

UNIT = "etcd.service"
UNIT_PATH = f"/etc/systemd/system/{UNIT}"
CONFIG = "/etc/etcd/etcd.yml"
_MEMBERS = "/etc/etcd/members.yml"
TLS_FOLDER = "/etc/etcd/tls"
_USER = "etcd"


def membership_stage(db: DatabaseSettings) -> Stage:
    """Return the stage that configures this member and, where a cluster runs, has it join."""
    return Stage(name="membership", state=_member(db), steps=_join(db))


def etcd_stage(db: DatabaseSettings) -> Stage:
    """Return the stage that brings up this member and, with a quorum, demands passwords."""
    # etcd reads certificate and key anew for each connection, the CA only when it starts
    unit = Unit(
        name=UNIT, restart_on=(CONFIG, f"{TLS_FOLDER}/ca.crt", UNIT_PATH), one_at_a_time=True
    )
    return Stage(
        name="etcd",
        state=NodeState(units=(unit,), data=("/var/lib/etcd",)),
        gate=Gate(
            name="etcd has quorum",
            check=probe("etcd", "health", db.me.address, db.quorum, *_addresses(db)),
            timeout_s=180,  # ten hosts that start on two cores need most of it
            units=(UNIT,),
            needs_peers=len(db.members) > 1,
        ),
        steps=_authentication(db),
    )


def etcd_unit() -> ManagedFile:
    """Return the unit; it waits for its configuration, so the package's start is none."""
    return ManagedFile(
        path=UNIT_PATH, content=render("database/etcd.service.j2"), before_packages=True
    )


def pair_files(
    folder: str, name: str, pair: KeyPair, owner: str
) -> tuple[ManagedFile, ManagedFile]:
    """Return a certificate and its key, which only the service reads."""
    return (
        ManagedFile(path=f"{folder}/{name}.crt", content=pair.certificate),
        ManagedFile(
            path=f"{folder}/{name}.key", content=pair.key, owner=owner, mode=0o400, secret=True
        ),
    )


def _member(db: DatabaseSettings) -> NodeState:
    config = ManagedFile(
        path=CONFIG,
        content=render("database/etcd.yml.j2", db=db, tls=TLS_FOLDER, token=_token(db)),
        owner=_USER,
        mode=0o400,  # it names the cluster's token
        secret=True,
    )
    members = ManagedFile(  # restarts nothing: a member that runs knows the others
        path=_MEMBERS, content=render("database/members.yml.j2", db=db)
    )
    ca = ManagedFile(path=f"{TLS_FOLDER}/ca.crt", content=db.certificates.ca)
    return NodeState(
        directories=(
            Directory(path="/etc/etcd", owner="root", group=_USER, mode=0o750),
            Directory(path=TLS_FOLDER, owner="root", group=_USER, mode=0o750),
        ),
        files=(config, members, ca, *pair_files(TLS_FOLDER, "node", db.certificates.node, _USER)),
    )


def _join(db: DatabaseSettings) -> tuple[Step, ...]:
    if not db.peers:
        return ()
    hosts = tuple(peer.host for peer in db.peers)
    return (
        Step(
            name="Join the members of the running etcd",
            guard=probe("etcd-members", "joined", db.me.host, *hosts),
            script=probe("etcd-members", "join", db.me.host, db.me.name, *hosts),
            secrets=root_password(db),
            timeout_s=270,  # others that join have their turn before
        ),
    )


def root_password(db: DatabaseSettings) -> dict[str, Secret]:
    """Return what changes of etcd's members need."""
    root = db.passwords.etcd_root
    return {"ETCD_ROOT_PASSWORD": root} if root else {}


def token_hash(token: str) -> str:
    """Return what names the cluster for etcd: it writes this to the journal at each start."""
    return hashlib.sha256(token.encode()).hexdigest()


def _token(db: DatabaseSettings) -> str:
    return token_hash(db.cluster_token.reveal())


def _authentication(db: DatabaseSettings) -> tuple[Step, ...]:
    secrets = _passwords(db)
    if secrets is None:  # alone: the certificate is what etcd demands
        return ()
    return (
        Step(
            name="Demand passwords of etcd's users",
            guard=probe("etcd", "authenticated", db.me.address),
            script=probe("etcd", "enable", db.me.address),
            secrets=secrets,
            once=True,
        ),
    )


def _passwords(db: DatabaseSettings) -> dict[str, Secret] | None:
    root, patroni = db.passwords.etcd_root, db.passwords.etcd_patroni
    if root is None or patroni is None:
        return None
    return {"ETCD_ROOT_PASSWORD": root, "ETCD_PATRONI_PASSWORD": patroni}


def _addresses(db: DatabaseSettings) -> tuple[str, ...]:
    return tuple(peer.address for peer in db.peers)
