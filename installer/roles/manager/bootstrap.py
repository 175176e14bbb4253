"""Steps that bring the database to what a manager's files say."""

import hashlib
import json
import shlex
from pathlib import Path

from installer.roles.manager.model import ManagerSettings
from installer.roles.manager.runtime_config import HOME, TLS, runtime_config
from installer.secrets import Secret
from installer.state import Step

USER = "cfyuser"
_PYTHON = f"{HOME}/env/bin/python"
RECORD = "/var/lib/cfy_manager/manager-bootstrap"
RESTORED = "/var/lib/cfy_manager/restored-database"  # this cluster's nodes, as JSON
# shell words of the runtime's commands
# HOME: libpq looks for a certificate below it, and root's is closed to the runtime
RUNTIME = (
    f"env HOME={HOME} setpriv --reuid={USER} --regid={USER} --init-groups {_PYTHON} -m manager"
)
_CREATE_DATABASE = (Path(__file__).parent / "create_database.py").read_text()


def creation_steps(manager: ManagerSettings) -> tuple[Step, ...]:
    """Return how role and database come to be where nobody else makes them."""
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
            "client": f"{TLS}/database-client" if database.client else None,
            "owner_client": f"{TLS}/database-owner" if manager.owner.client else None,
        }
    )
    environment = f"SETTINGS={shlex.quote(words)}; export SETTINGS\n"
    return (
        Step(
            name="Create the managers' role and database",
            guard=environment + _creation("check"),
            script=environment + _creation("create"),
            secrets={"OWNER_PASSWORD": manager.owner.password, "PASSWORD": database.password},
            once=True,
        ),
    )


def _creation(action: str) -> str:
    return f"exec {_PYTHON} -I - {action} <<'PROGRAM'\n{_CREATE_DATABASE}PROGRAM\n"


def bootstrap_step(manager: ManagerSettings) -> Step:
    """Return the step that makes the schema, users and tokens, and registers this manager.

    It holds when the runtime finds schema and registration in the database, and what was entered
    there is what the files say today.
    """
    digest = _digest(manager)
    return Step(
        name="Enter this manager into the cluster",
        guard=f'test "$(cat {RECORD} 2>&1)" = {digest}\ncd /\nexec {RUNTIME} check\n',
        script=f"""\
cd /
printf %s "$BOOTSTRAP" | env -u BOOTSTRAP {RUNTIME} bootstrap
echo {digest} > {RECORD}.new
mv {RECORD}.new {RECORD}
""",
        secrets={"BOOTSTRAP": Secret(json.dumps(_document(manager)))},
        timeout_s=180,
    )


def settle_step() -> Step:
    """Return the step that ends what a restored database believes to be running.

    A restore leaves RESTORED on one manager; what is there has not been settled yet. It comes
    before any manager's services.
    """
    return Step(
        name="Settle what the restored database holds",
        guard=f"test ! -e {RESTORED}",
        script=f"""\
cd /
{RUNTIME} migrate
{RUNTIME} settle-restored < {RESTORED}
rm {RESTORED}
""",
        timeout_s=180,
    )


def schema_step() -> Step:
    """Return the step that takes from the schema what only managers of an older release use."""
    return Step(
        name="Finish the schema of the managers' database",
        guard=f"cd /\nexec {RUNTIME} migrate --missing\n",
        script=f"cd /\nexec {RUNTIME} migrate\n",
        timeout_s=600,  # it may rewrite a large table
    )


def _document(manager: ManagerSettings) -> dict[str, object]:
    bootstrap = manager.bootstrap
    return {
        "admin_username": bootstrap.admin_username,
        "admin_password": bootstrap.admin_password.reveal(),
        "reporter_tokens": {k: token.reveal() for k, token in bootstrap.reporter_tokens.items()},
    }


def _digest(manager: ManagerSettings) -> str:
    """Return what tells one state of the entries from another.

    The administrator's password is not of it: it counts only once, and is changed elsewhere.
    """
    tokens = json.dumps(_document(manager)["reporter_tokens"], sort_keys=True)
    return hashlib.sha256(runtime_config(manager) + tokens.encode()).hexdigest()
