"""What is done with a database that runs: give the lead to a replica, copy a replica anew."""

from installer.roles.database.model import DatabaseSettings
from installer.roles.database.patroni import UNIT, rest_password
from installer.roles.database.probe import probe
from installer.roles.database.sql import change
from installer.roles.database.users import login_secrets
from installer.state import Gate, Step


def switchover_step(db: DatabaseSettings, leader: str, candidate: str) -> Step:
    """Return the step that lets one member lead in place of another; any member may run it."""
    return Step(
        name=f"Let {candidate} lead in place of {leader}",
        guard=probe("patroni", "leads", db.me.address, candidate),
        script=probe("patroni", "hand-over", db.me.address, db.rest_user, leader, candidate),
        secrets=rest_password(db),
        timeout_s=180,
    )


def writes_gate(db: DatabaseSettings) -> Gate:
    """Return the gate that is passed when a commit comes through, to the synchronous replica too.

    A message in the log of writes is one that leaves nothing behind: PostgreSQL, "Replication
    Management Functions".
    """
    return Gate(
        name="the primary takes writes",
        check=change(db, "prove_write"),
        secrets=login_secrets(db),
        timeout_s=60,
        units=(UNIT,),
    )


def begin_copy_script(db: DatabaseSettings) -> str:
    """Return shell text that lets this node's replica begin to copy the primary's data anew.

    It needs `rest_password` beside it.
    """
    return probe("patroni", "begin-copy", db.me.address, db.rest_user)


def copy_script(db: DatabaseSettings) -> str:
    """Return shell text that prints as JSON how far this node's copy is."""
    return probe("patroni", "copy", db.me.address, db.release.replica_state, db.data_dir)
