"""What a manager that stays does when a node leaves: the database names it no longer."""

import shlex
from collections.abc import Iterable

from installer.roles.manager.bootstrap import RUNTIME

KINDS = {"database": "db", "queue": "broker", "manager": "manager"}  # as the runtime calls them
_PATIENCE_S = 60  # the primary may just have changed


def forget_entries(name: str, roles: Iterable[str]) -> str:
    """Return shell text that removes the node's entries; what is not there is fine."""
    kinds = [KINDS[role] for role in roles if role in KINDS]
    return f"""\
cd /
for kind in {" ".join(kinds)}; do
    left={_PATIENCE_S}
    until said=$({RUNTIME} forget "$kind" {shlex.quote(name)} 2>&1); do
        case "$said" in *"was not found"*) break ;; esac
        left=$((left - 1))
        if [ "$left" -le 0 ]; then echo "$said" >&2; exit 1; fi
        sleep 1
    done
done
"""
