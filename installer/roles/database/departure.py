"""What the databases that stay do when another one leaves."""

from installer.roles.database.etcd import root_password
from installer.roles.database.model import DatabaseSettings, Member
from installer.roles.database.probe import probe
from installer.state import Step


def forget_database(db: DatabaseSettings, leaving: Member) -> Step:
    """Return the step by which a database that stays takes another one out of etcd.

    Patroni's entry of it ends by itself, with its lease.
    """
    words = (db.me.host, leaving.name, leaving.host)
    return Step(
        name=f"Remove {leaving.name} from the members of etcd",
        guard=probe("etcd-members", "left", *words),
        script=probe("etcd-members", "leave", *words),
        secrets=root_password(db),
        timeout_s=90,  # etcd elects a leader first when it has lost its own
    )
