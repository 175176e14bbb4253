"""Ask and set up this node's etcd; sent to the node as text, standard library only.

usage: etcd_probe.py health URL-HOST QUORUM PEER…
       etcd_probe.py authenticated URL-HOST
       etcd_probe.py enable URL-HOST
Over the JSON gateway, the way that Patroni takes. The passwords are in the environment variables
ETCD_ROOT_PASSWORD and ETCD_PATRONI_PASSWORD.
"""

import base64
import http.client
import json
import os
import ssl
import sys
from collections.abc import Sequence
from typing import Any

PORT = 2379
TLS = "/etc/etcd/tls"
PREFIX = "/db/"  # Patroni's namespace, the only keys that its user may touch
REFUSED = 78  # EX_CONFIG: no run can mend it
DEFERRED = 75  # EX_TEMPFAIL: too few members answer
_ANSWER_S = 10.0
_HEALTH_S = 4.0
_REACH_S = 2.0
_EXISTS = "already exists"
_WRONG = "authentication failed, invalid user ID or password"


class Refusal(Exception):
    """etcd answered with an error."""


class WrongPassword(Refusal):
    """etcd knows the user, with another password."""


class Etcd:
    """The gateway of one member, on one connection."""

    def __init__(self, host: str, timeout_s: float = _ANSWER_S) -> None:
        context = ssl.create_default_context(cafile=f"{TLS}/ca.crt")
        context.load_cert_chain(f"{TLS}/node.crt", f"{TLS}/node.key")
        self._connection = http.client.HTTPSConnection(
            host, PORT, context=context, timeout=timeout_s
        )
        self._token: str | None = None

    def health(self) -> dict[str, Any]:
        """Return what the member says of itself: `health` is true while it sees a quorum."""
        self._connection.request("GET", "/health")
        return dict(json.loads(self._connection.getresponse().read()))

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the reply to a call; raises Refusal with etcd's words."""
        headers = {"Authorization": self._token} if self._token else {}
        self._connection.request("POST", f"/v3/{path}", json.dumps(body), headers)
        reply = self._connection.getresponse()
        said = reply.read()
        if reply.status != http.client.OK:
            raise Refusal(f"{path}: {said.decode(errors='replace')[:300]}")
        return dict(json.loads(said))

    def call_unless_exists(self, path: str, body: dict[str, Any]) -> None:
        """Call; what is there already is fine."""
        try:
            self.call(path, body)
        except Refusal as refusal:
            if _EXISTS not in str(refusal):
                raise

    def log_in(self, user: str, password: str) -> None:
        """Make further calls as this user."""
        self._token = None
        try:
            reply = self.call("auth/authenticate", {"name": user, "password": password})
        except Refusal as refusal:
            if _WRONG in str(refusal):
                raise WrongPassword(f"etcd refuses the password of its user {user}") from refusal
            raise
        self._token = reply["token"]

    def is_authenticating(self) -> bool:
        """Tell whether users are demanded, by asking for something that only users may see."""
        try:
            self.call("auth/user/list", {})
        except Refusal as refusal:
            if "user name is empty" in str(refusal) or "permission denied" in str(refusal):
                return True
            raise
        return False


def check_health(host: str, quorum: int, peers: Sequence[str]) -> int:
    """Print how the member is; return 0, 1, or DEFERRED while too few other members answer."""
    try:
        told = Etcd(host, _HEALTH_S).health()
    except (OSError, ValueError, http.client.HTTPException) as error:
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
    etcd.call("kv/range", {"key": _encoded(PREFIX), "keys_only": True})
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
        "key": _encoded(PREFIX),
        "range_end": _encoded(PREFIX[:-1] + chr(ord(PREFIX[-1]) + 1)),
    }
    etcd.call("auth/role/grant", {"name": "patroni", "perm": permission})
    _ensure_user(etcd, "patroni", os.environ["ETCD_PATRONI_PASSWORD"])
    if not was_on:
        etcd.call("auth/enable", {})


def _ensure_user(etcd: Etcd, name: str, password: str) -> None:
    etcd.call_unless_exists("auth/user/add", {"name": name, "password": password})
    etcd.call("auth/user/changepw", {"name": name, "password": password})
    etcd.call("auth/user/grant", {"user": name, "role": name})


def _encoded(key: str) -> str:
    return base64.b64encode(key.encode()).decode()


def _reaches(host: str) -> bool:
    try:
        Etcd(host, _REACH_S).health()
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return True


def main(words: Sequence[str]) -> int:
    """Run what the command line names."""
    action, host, *rest = words
    if action == "health":
        return check_health(host, int(rest[0]), rest[1:])
    try:
        return {"authenticated": check_authenticated, "enable": enable}[action](host)
    except (OSError, ValueError, http.client.HTTPException, Refusal) as error:
        print(error)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
