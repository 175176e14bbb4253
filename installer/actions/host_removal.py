"""Take away from a host all that runs of ours have ever brought to it."""

import shlex
from collections.abc import Sequence

from installer.engine.removal import removal
from installer.engine.session import Session
from installer.errors import PhaseFailed, Problem
from installer.state import Stage

_HOST_S = 600  # ten thousands of small files, on a slow disk
# ours alone, on every host that we installed
_HOMES = ("/opt/cfy_manager", "/etc/cloudify", "/var/log/cloudify", "/var/lib/cfy_manager")
_COMMAND = "/usr/local/bin/cfy_manager"


def clear_host(session: Session, stages: Sequence[Stage]) -> tuple[str, ...]:
    """Take all of ours away from a host; its records, by which we know it, go last.

    Returns a line for each thing that went; raises PhaseFailed where something stays.
    """
    lines = session.remove(removal(stages, (), with_written=True))
    done = session.run(_last_script(), timeout_s=_HOST_S)
    if done.code:
        raise PhaseFailed(
            Problem(
                where=session.name,
                what=f"folders of ours stay: {done.stderr.strip()[-300:]}",
                remedy="look at what it names, then run the same command again",
            )
        )
    return (*lines, *done.stdout.splitlines())


def _last_script() -> str:
    """Return what deletes our own folders and our command; the host's name stays."""
    return f"""\
case "$(readlink {_COMMAND} || true)" in
    /opt/cfy_manager/*) rm {_COMMAND}; echo "delete {_COMMAND}";;
esac
for folder in {shlex.join(_HOMES)}; do
    [ -e "$folder" ] || continue
    rm -rf --one-file-system "$folder"
    echo "delete $folder"
done
"""
