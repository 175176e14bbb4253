"""Let this node join the members of a running etcd, or another one leave; sent as text.

usage: etcd_members.py joined URL-HOST PEER…
       etcd_members.py join URL-HOST NAME PEER…
       etcd_members.py left URL-HOST NAME LEAVING-URL-HOST
       etcd_members.py leave URL-HOST NAME LEAVING-URL-HOST
A member joins as a learner, which has no vote until it has what the others have: one that never
starts takes no quorum from them. The password is in the environment variable ETCD_ROOT_PASSWORD.
Source: etcd, "Runtime reconfiguration" and "Learner".
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from installer.roles.database.etcd_gateway import FAILURES, Etcd, Refusal

STATE = Path("/var/lib/etcd")
DATA = STATE / "data" / "member"
JOIN = STATE / "join.yml"
USER = "etcd"
_LOOK_S = 3.0
_JOIN_S = 150.0
_AGAIN_S = 1.0
_LEARNER = re.compile(r"^etcd_server_is_learner 1$", re.MULTILINE)


def check_joined(host: str, peers: Sequence[str]) -> int:
    """Return 0 when this node votes, or begins with the others; 1 when it is to join them."""
    if DATA.exists():
        return 1 if _is_learner(host) else 0
    return 1 if any(_is_healthy(peer) for peer in peers) else 0


def join(host: str, name: str, peers: Sequence[str]) -> int:
    """Be admitted as a learner unless we are, start, and become a voter."""
    etcd = _first_member(peers)
    deadline = time.monotonic() + _JOIN_S
    if not DATA.exists():
        _admit(etcd, host, name, deadline)
        subprocess.run(["systemctl", "restart", "--no-block", "etcd"], check=True)
    _promote(etcd, host, deadline)
    return 0


def check_left(host: str, name: str, leaving: str) -> int:
    """Return 0 when no member has this name or this address."""
    found = _known_as(_members(_logged_in(host)), name, leaving)
    return 1 if found else 0


def leave(host: str, name: str, leaving: str) -> int:
    """Remove the member of this name or address; the others go on without it."""
    etcd = _logged_in(host)
    for member in _known_as(_members(etcd), name, leaving):
        etcd.call("cluster/member/remove", {"ID": member["ID"]})
    return 0


def _admit(etcd: Etcd, host: str, name: str, deadline: float) -> None:
    """Have ourselves added, and write what etcd must know at its first start.

    A member of our name or address without its data is gone for good: it must not vote again.
    """
    for member in _known_as(_members(etcd), name, host):
        etcd.call("cluster/member/remove", {"ID": member["ID"]})
    url = f"https://{host}:2380"
    body = {"peerURLs": [url], "isLearner": True}
    members = _insist(lambda: etcd.call("cluster/member/add", body), deadline)["members"]
    cluster = ",".join(
        f"{name if each == url else member['name']}={each}"
        for member in members
        for each in member["peerURLs"]
    )
    subprocess.run(["install", "-d", "-m", "700", "-o", USER, "-g", USER, STATE], check=True)
    fresh = JOIN.with_suffix(".new")
    fresh.write_text(f"initial-cluster: {cluster}\ninitial-cluster-state: existing\n")
    fresh.chmod(0o644)
    fresh.replace(JOIN)


def _promote(etcd: Etcd, host: str, deadline: float) -> None:
    (me,) = _known_as(_members(etcd), "", host)
    if me.get("isLearner"):
        _insist(lambda: etcd.call("cluster/member/promote", {"ID": me["ID"]}), deadline)


def _insist(ask: Any, deadline: float) -> Any:
    """Ask until it is granted: one learner is admitted at a time, and promoted when in step."""
    while True:
        try:
            return ask()
        except Refusal:
            if time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_S)


def _members(etcd: Etcd) -> list[dict[str, Any]]:
    return list(etcd.call("cluster/member/list", {})["members"])


def _known_as(members: Sequence[dict[str, Any]], name: str, host: str) -> list[dict[str, Any]]:
    """Return the members of a name, or with a peer's address; one that never ran has no name."""
    url = f"https://{host}:2380"
    return [m for m in members if url in m["peerURLs"] or (name and m.get("name") == name)]


def _first_member(peers: Sequence[str]) -> Etcd:
    for peer in peers:
        if _is_healthy(peer):
            return _logged_in(peer)
    raise Refusal(f"no member answers: {', '.join(peers)}")


def _logged_in(host: str) -> Etcd:
    etcd, password = Etcd(host), os.environ.get("ETCD_ROOT_PASSWORD")
    if password and etcd.is_authenticating():
        etcd.log_in("root", password)
    return etcd


def _is_healthy(host: str) -> bool:
    """Tell whether a member answers and sees a quorum."""
    try:
        return Etcd(host, _LOOK_S).health().get("health") == "true"
    except FAILURES:
        return False


def _is_learner(host: str) -> bool:
    """Tell whether this member has no vote yet, by what it says of itself."""
    try:
        return _LEARNER.search(Etcd(host, _LOOK_S).metrics()) is not None
    except FAILURES:
        return False


def main(words: Sequence[str]) -> int:
    """Run what the command line names."""
    action, host, *rest = words
    try:
        match action:
            case "joined":
                return check_joined(host, rest)
            case "join":
                return join(host, rest[0], rest[1:])
        return {"left": check_left, "leave": leave}[action](host, *rest)
    except (*FAILURES, Refusal, subprocess.SubprocessError) as error:
        print(error)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
