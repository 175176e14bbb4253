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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from installer.roles.database.etcd_gateway import FAILURES, Etcd, Refusal, WrongPassword

STATE = Path("/var/lib/etcd")
DATA = STATE / "data" / "member"
JOIN = STATE / "join.yml"
USER = "etcd"
_LOOK_S = 3.0
_JOIN_S = 240.0
_LEAVE_S = 60.0
_AGAIN_S = 1.0
_LEARNER = re.compile(r"^etcd_server_is_learner 1$", re.MULTILINE)
_LEADER = re.compile(r"^etcd_server_is_leader 1$", re.MULTILINE)

T = TypeVar("T")


class Removed(Refusal):
    """The others know us no more, and asking again does not help."""


def check_joined(host: str, peers: Sequence[str]) -> int:
    """Return 0 when this node votes, or begins with the others; 1 when it is to join them."""
    if DATA.exists():
        return 1 if _is_learner(host, peers) else 0
    return 1 if any(_is_healthy(peer) for peer in peers) else 0


def join(host: str, name: str, peers: Sequence[str]) -> int:
    """Be admitted as a learner, start, and become a voter once in step with the others."""
    deadline = time.monotonic() + _JOIN_S
    if not DATA.exists():
        members = _insist(lambda: _admit(_first_member(peers), host, name), deadline)
        _write_join(host, name, members)
        subprocess.run(["systemctl", "restart", "--no-block", "etcd"], check=True)
    _insist(lambda: _promote(_leader(peers), host), deadline)
    return 0


def check_left(host: str, name: str, leaving: str) -> int:
    """Return 0 when no member has this name or this address."""
    found = _known_as(_members(_logged_in(host)), name, leaving)
    return 1 if found else 0


def leave(host: str, name: str, leaving: str) -> int:
    """Remove the member of this name or address; the others go on without it."""
    deadline = time.monotonic() + _LEAVE_S
    _insist(lambda: _remove(_logged_in(host), name, leaving), deadline)
    return 0


def _insist(ask: Callable[[], T], deadline: float) -> T:
    """Ask until it is granted: one learner is admitted at a time, and promoted when in step.

    A change whose answer does not come may have been made: whoever asks looks first, each time.
    """
    while True:
        try:
            return ask()
        except (WrongPassword, Removed):
            raise
        except (Refusal, *FAILURES):
            if time.monotonic() > deadline:
                raise
        time.sleep(_AGAIN_S)


def _admit(etcd: Etcd, host: str, name: str) -> list[dict[str, Any]]:
    """Have ourselves added and return all members.

    A member of our name or address without its data is gone for good: it must not vote again.
    """
    _remove(etcd, name, host)
    body = {"peerURLs": [f"https://{host}:2380"], "isLearner": True}
    return list(etcd.call("cluster/member/add", body)["members"])


def _write_join(host: str, name: str, members: Sequence[dict[str, Any]]) -> None:
    """Write what etcd must know at its first start."""
    url = f"https://{host}:2380"
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


def _promote(etcd: Etcd, host: str) -> None:
    """Ask for a vote unless we have one; raises Removed when the others know us no more."""
    found = _known_as(_members(etcd), "", host)
    if not found:
        raise Removed(f"{host} was removed from the members; `cfy_manager remove` takes its data")
    if found[0].get("isLearner"):
        etcd.call("cluster/member/promote", {"ID": found[0]["ID"]})


def _remove(etcd: Etcd, name: str, host: str) -> None:
    for member in _known_as(_members(etcd), name, host):
        etcd.call("cluster/member/remove", {"ID": member["ID"]})


def _members(etcd: Etcd) -> list[dict[str, Any]]:
    """Return the members by agreement of most: a member's own view may be old."""
    return list(etcd.call("cluster/member/list", {"linearizable": True})["members"])


def _known_as(members: Sequence[dict[str, Any]], name: str, host: str) -> list[dict[str, Any]]:
    """Return the members of a name, or with a peer's address; one that never ran has no name."""
    url = f"https://{host}:2380"
    return [m for m in members if url in m["peerURLs"] or (name and m.get("name") == name)]


def _first_member(peers: Sequence[str]) -> Etcd:
    for peer in peers:
        if _is_healthy(peer):
            return _logged_in(peer)
    raise Refusal(f"no member answers: {', '.join(peers)}")


def _leader(peers: Sequence[str]) -> Etcd:
    """Return the member that leads; another one forwards a promotion without telling who asks.

    Source: etcd issue 20757, "Cannot promote member from follower when auth is enabled".
    """
    for peer in peers:
        if _says(_LEADER, peer):
            return _logged_in(peer)
    raise Refusal(f"no member of etcd leads: {', '.join(peers)}")


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


def _says(what: re.Pattern[str], host: str) -> bool | None:
    """Tell whether a member says this of itself; None when it starts or is too busy to answer."""
    try:
        return what.search(Etcd(host, _LOOK_S).metrics()) is not None
    except FAILURES:
        return None


def _is_learner(host: str, peers: Sequence[str]) -> bool:
    """Tell whether this member has no vote yet: by its own word, else by the others'."""
    if (own := _says(_LEARNER, host)) is not None:
        return own
    try:
        found = _known_as(_members(_first_member(peers)), "", host)
    except (Refusal, *FAILURES):
        return False  # nobody is there: all begin together
    return any(member.get("isLearner") for member in found)


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
