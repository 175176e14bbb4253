"""Bring one database node to the state that config.yaml describes."""

from installer.roles.database.etcd import etcd_stage, etcd_unit
from installer.roles.database.model import DatabaseSettings
from installer.roles.database.patroni import patroni_stage, patroni_unit
from installer.state import ManagedFile, NodeState, Package, Stage, Unit, UnitTarget
from installer.templates import render


def database_stages(db: DatabaseSettings) -> tuple[Stage, ...]:
    """Return the stages of a database node: packages, then etcd, then Patroni with PostgreSQL."""
    return _packages_stage(db), etcd_stage(db), patroni_stage(db)


def _packages_stage(db: DatabaseSettings) -> Stage:
    """Return the packages, and before them what keeps their services from starting.

    The units are ours from the start: a host that reboots half-way must not run a lonely etcd.
    """
    no_cluster = ManagedFile(
        path="/etc/postgresql-common/createcluster.d/10-patroni.conf",
        content=render("database/10-patroni.conf.j2"),
        before_packages=True,
    )
    names = (
        *(f"postgresql-{db.release.postgresql}", "patroni", "python3-etcd"),
        *(("pgbackrest",) if db.backup else ()),
    )
    return Stage(
        name="packages",
        state=NodeState(
            packages=tuple(map(Package, (*names, "etcd-server", "etcd-client"))),
            files=(no_cluster, etcd_unit(), patroni_unit(db)),
            # Debian's own way to start clusters; Patroni alone decides here
            units=(Unit(name="postgresql.service", target=UnitTarget.MASKED),),
        ),
    )
