"""One member of etcd over its JSON gateway, the way that Patroni takes; standard library only.

It is sent to the node as text, before the program that uses it.
"""

import base64
import http.client
import json
import ssl
from typing import Any

PORT = 2379
TLS = "/etc/etcd/tls"
_ANSWER_S = 10.0
_EXISTS = "already exists"
_WRONG = "authentication failed, invalid user ID or password"
FAILURES = (OSError, ValueError, http.client.HTTPException)  # of a member that does not answer


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
        _, said = self._ask("GET", "/health")
        return dict(json.loads(said))

    def metrics(self) -> str:
        """Return what the member measures of itself; nobody needs to log in for that."""
        _, said = self._ask("GET", "/metrics")
        return said.decode()

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the reply to a call; raises Refusal with etcd's words."""
        headers = {"Authorization": self._token} if self._token else {}
        status, said = self._ask("POST", f"/v3/{path}", json.dumps(body), headers)
        if status != http.client.OK:
            raise Refusal(f"{path}: {said.decode(errors='replace')[:300]}")
        return dict(json.loads(said))

    def _ask(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return status and text of a reply; after a failure the next call connects anew."""
        try:
            self._connection.request(method, path, body or None, headers or {})
            reply = self._connection.getresponse()
            return reply.status, reply.read()
        except FAILURES:
            self._connection.close()
            raise

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


def encoded(key: str) -> str:
    """Return a key as the gateway wants it."""
    return base64.b64encode(key.encode()).decode()
