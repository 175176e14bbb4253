"""Note on managers that their database was restored: they enter it, and settle it, anew."""

import json
import shlex
from collections.abc import Mapping

from installer.backup.streams import told
from installer.engine.session import Session
from installer.inventory import Inventory, Role
from installer.roles.manager.bootstrap import RECORD, RESTORED

_KINDS = {"managers": Role.MANAGER, "brokers": Role.QUEUE, "databases": Role.DATABASE}


def addresses_by_kind(inventory: Inventory) -> dict[str, dict[str, str]]:
    """Return the addresses of a cluster's nodes by name, as the runtime has them."""
    return {
        kind: {node.name: node.address for node in inventory.with_role(role)}
        for kind, role in _KINDS.items()
    }


def unsettle(
    nodes: Mapping[str, Mapping[str, str]], settling: str, session: Session
) -> tuple[str, ...]:
    """Let a manager enter the cluster anew at its next installation, and one settle it before.

    Only one: where a second one came back late, it would end what runs by then.
    """
    script = f"rm -f {RECORD}\n"
    if session.name == settling:
        text = shlex.quote(json.dumps(nodes))
        script += f"printf %s {text} > {RESTORED}.new\nmv {RESTORED}.new {RESTORED}\n"
    told(session, script)
    return ("enter the cluster anew",)
