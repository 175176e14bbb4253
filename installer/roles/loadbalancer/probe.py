"""Ask HAProxy on this node which managers work; sent to the node as text, standard library only.

usage: probe.py if-any|at-least-one|all SOCKET VIRTUAL_IP|- ADDRESS…
With if-any it is fine that no manager can be reached at all: the first rollout begins like that.
"""

import csv
import io
import socket
import sys
from collections.abc import Iterator, Sequence

DEFERRED = 75  # EX_TEMPFAIL: no manager is there yet
_IF_ANY, _ALL = "if-any", "all"
_ANSWER_S = 5.0
_REACH_S = 1.0
_PORT = 443
_CHECKED = "L7OK"  # the manager itself answered as it should; servers count as UP before that
_RUNNING = "* "  # a check runs, and before it ended this: HAProxy Management Guide, 9.1


def statistics(path: str) -> str:
    """Return HAProxy's table of frontends, backends and servers as CSV."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_S)
        connection.connect(path)
        connection.sendall(b"show stat\n")
        parts = iter(lambda: connection.recv(65536), b"")
        return b"".join(parts).decode()


def servers(table: str) -> Iterator[tuple[str, bool, str]]:
    """Yield name, whether it works, and what the last check said, of each checked server."""
    for row in csv.DictReader(io.StringIO(table.lstrip("# "))):
        if row["svname"] not in ("FRONTEND", "BACKEND") and row["check_status"]:
            last = row["check_status"].removeprefix(_RUNNING)
            works = row["status"].startswith("UP") and last == _CHECKED
            said = " ".join(filter(None, (last, row["last_chk"])))
            yield row["svname"], works, said


def _reaches(address: str) -> bool:
    try:
        socket.create_connection((address, _PORT), _REACH_S).close()
    except OSError:
        return False
    return True


def main(words: Sequence[str]) -> int:
    """Say which managers work; return 0 when one does, DEFERRED when none can be reached."""
    wanted, path, virtual_ip, *managers = words
    try:
        found = list(servers(statistics(path)))
    except OSError as error:
        return _say(1, f"HAProxy does not answer: {error}")
    working = [name for name, works, _ in found if works]
    seen = "; ".join(f"{name}: {said}" for name, _, said in found) or "no manager was checked yet"
    if wanted == _ALL and len(working) < len(found):
        return _say(1, seen)
    if not working and any(map(_reaches, managers)):
        return _say(1, seen)
    if not working and wanted != _IF_ANY:
        return _say(DEFERRED, seen)
    if virtual_ip != "-" and not _reaches(virtual_ip):
        return _say(1, f"nobody answers at the virtual address {virtual_ip}")
    return _say(0, f"{len(working)} of {len(found)} managers work; {seen}")


def _say(code: int, text: str) -> int:
    sys.stdout.write(text + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
