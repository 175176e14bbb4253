"""Ask and set up this node's etcd; sent to the node as text, standard library only.

usage: etcd_probe.py health URL-HOST QUORUM PEER…
       etcd_probe.py authenticated URL-HOST
       etcd_probe.py enable URL-HOST
The passwords are in the environment variables ETCD_ROOT_PASSWORD and ETCD_PATRONI_PASSWORD.
"""

import os
import sys
from collections.abc import Sequence

from installer.roles.database.etcd_gateway import FAILURES, Etcd, Refusal, WrongPassword, encoded

PREFIX = "/db/"  # Patroni's namespace, the only keys that its user may touch
REFUSED = 78  # EX_CONFIG: no run can mend it
DEFERRED = 75  # EX_TEMPFAIL: too few members answer
_HEALTH_S = 4.0
_REACH_S = 2.0


def check_health(host: str, quorum: int, peers: Sequence[str]) -> int:
    """Print how the member is; return 0, 1, or DEFERRED while too few other members answer."""
    try:
        told = Etcd(host, _HEALTH_S).health()
    except FAILURES as error:
        told = {"health": "false", "reason": f"etcd does not answer on {host}: {error}"}
    if told.get("health") == "true":
        print("etcd has quorum")  # noqa: T201
        return 0
    away = [peer for peer in peers if not _reaches(peer)]
    reason = told.get("reason") or "no quorum"
    print(f"{reason}; not reached: {', '.join(away) or 'none'}")  # noqa: T201
    return DEFERRED if len(peers) + 1 - len(away) < quorum else 1


def check_authenticated(host: str) -> int:
    """Return 0 when both users can log in, and Patroni's may read its keys.

    Only root can change passwords: without its own no run could, which is REFUSED.
    """
    etcd = Etcd(host)
    try:
        etcd.log_in("root", os.environ["ETCD_ROOT_PASSWORD"])
    except WrongPassword as error:
        print(f"{error} that the secrets say")  # noqa: T201
        print("put the former etcd root password back into the secrets")  # noqa: T201
        return REFUSED
    etcd.log_in("patroni", os.environ["ETCD_PATRONI_PASSWORD"])
    etcd.call("kv/range", {"key": encoded(PREFIX), "keys_only": True})
    return 0


def enable(host: str) -> int:
    """Create users and role and demand them; begin anew when another node did so meanwhile."""
    try:
        _enable(Etcd(host))
    except Refusal:
        _enable(Etcd(host))
    return 0


def _enable(etcd: Etcd) -> None:
    was_on = etcd.is_authenticating()
    if was_on:
        etcd.log_in("root", os.environ["ETCD_ROOT_PASSWORD"])
    else:
        _ensure_user(etcd, "root", os.environ["ETCD_ROOT_PASSWORD"])
    etcd.call_unless_exists("auth/role/add", {"name": "patroni"})
    permission = {
        "permType": "READWRITE",
        "key": encoded(PREFIX),
        "range_end": encoded(PREFIX[:-1] + chr(ord(PREFIX[-1]) + 1)),
    }
    etcd.call("auth/role/grant", {"name": "patroni", "perm": permission})
    _ensure_user(etcd, "patroni", os.environ["ETCD_PATRONI_PASSWORD"])
    if not was_on:
        etcd.call("auth/enable", {})


def _ensure_user(etcd: Etcd, name: str, password: str) -> None:
    etcd.call_unless_exists("auth/user/add", {"name": name, "password": password})
    etcd.call("auth/user/changepw", {"name": name, "password": password})
    etcd.call("auth/user/grant", {"user": name, "role": name})


def _reaches(host: str) -> bool:
    try:
        Etcd(host, _REACH_S).health()
    except FAILURES:
        return False
    return True


def main(words: Sequence[str]) -> int:
    """Run what the command line names."""
    action, host, *rest = words
    if action == "health":
        return check_health(host, int(rest[0]), rest[1:])
    try:
        return {"authenticated": check_authenticated, "enable": enable}[action](host)
    except (*FAILURES, Refusal) as error:
        print(error)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
