"""Ask the other managers for files: one of them has what replication has not brought yet."""

import logging
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from manager.errors import Unavailable

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

HOP_HEADER = "X-Cloudify-File-Hop"  # who gets it answers from its own tree alone: no circles
_TIMEOUTS_S = (1.0, 10.0)  # to connect, and for each read: peers are on the same network
_PAUSE_S = 10  # so long a manager that did not answer is not asked again
_CHUNK = 256 * 1024
_FORWARDED = ("Authorization", "Authentication-Token", "Execution-Token", "Tenant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another manager: its certificate is made out to its name, and to its address."""

    hostname: str
    address: str

    @property
    def url_host(self) -> str:
        """Return the address as URLs have it."""
        return f"[{self.address}]" if ":" in self.address else self.address

    def located(self) -> "Peer":
        """Return the peer by its IP address: nginx looks no name up that a request brings.

        Raises Unavailable when the name leads nowhere.
        """
        try:
            found = socket.getaddrinfo(self.address, None, type=socket.SOCK_STREAM)
        except OSError as error:
            raise PeerSilent(f"the name {self.address} leads nowhere: {error}") from error
        return replace(self, address=str(found[0][4][0]))


class PeerFiles:
    """The file servers of the other managers, with the credentials of whoever asks us."""

    def __init__(self, ca_path: Path, port: int = 53333) -> None:
        self._ca_path = ca_path
        self._port = port
        self._lock = threading.Lock()
        self._silent_until: dict[str, float] = {}

    @cached_property
    def _http(self) -> "requests.Session":
        import requests  # a tenth of a second: the service starts without it
        from requests.adapters import HTTPAdapter

        session = requests.Session()
        session.trust_env = False  # a proxy of the environment does not lead to managers
        session.mount("https://", HTTPAdapter(pool_maxsize=16))
        return session

    def find(
        self,
        path: str,
        peers: Iterable[Peer],
        credentials: Mapping[str, str],
        unsettled: frozenset[str] = frozenset(),
    ) -> Peer | None:
        """Return the first peer that has the file at a quoted `path` below /resources.

        Raises Unavailable when none has, but one of `unsettled` could not be asked.
        """
        silent = None
        for peer in peers:
            try:
                with self._request("HEAD", peer, path, credentials) as reply:
                    if reply.status_code == HTTPStatus.OK:
                        return peer
            except PeerSilent as error:
                silent = silent or (error if peer.hostname in unsettled else None)
        if silent is not None:
            raise Unavailable(f"/resources/{path} may be on a manager that is away: {silent}")
        return None

    def open(self, path: str, peer: Peer, credentials: Mapping[str, str]) -> "requests.Response":
        """Return a peer's answer to a GET of `path`, which may have a query, to be closed.

        Raises PeerSilent.
        """
        return self._request("GET", peer, path, credentials)

    def delete(self, path: str, peer: Peer, credentials: Mapping[str, str]) -> bool:
        """Delete a file on a peer and tell whether there was one; raises PeerSilent."""
        with self._request("DELETE", peer, path, credentials) as reply:
            return reply.ok

    def _request(
        self, method: str, peer: Peer, path: str, credentials: Mapping[str, str]
    ) -> "requests.Response":
        import requests

        self._check(peer)
        try:
            reply = self._http.request(
                method,
                f"https://{peer.url_host}:{self._port}/resources/{path}",
                headers={**forwarded(credentials), HOP_HEADER: "1", "Accept-Encoding": "identity"},
                timeout=_TIMEOUTS_S,
                verify=str(self._ca_path),
                stream=True,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            self._rest(peer, error)
            raise PeerSilent(f"{peer.hostname} does not answer") from error
        if reply.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            reply.close()
            raise PeerSilent(f"{peer.hostname} answers {reply.status_code}")
        return reply

    def _check(self, peer: Peer) -> None:
        with self._lock:
            if time.monotonic() < self._silent_until.get(peer.address, 0.0):
                raise PeerSilent(f"{peer.hostname} did not answer")

    def _rest(self, peer: Peer, error: Exception) -> None:
        logger.warning("%s (%s) gives no files: %s", peer.hostname, peer.address, error)
        with self._lock:
            self._silent_until[peer.address] = time.monotonic() + _PAUSE_S


class PeerSilent(Unavailable):
    """Another manager cannot be asked just now."""


def forwarded(credentials: Mapping[str, str]) -> dict[str, str]:
    """Return the headers among `credentials` by which another manager knows the caller too."""
    return {name: credentials[name] for name in _FORWARDED if name in credentials}


def chunks(reply: "requests.Response") -> Iterator[bytes]:
    """Yield a reply's content as it comes; raises Unavailable when it breaks off."""
    import requests

    try:
        yield from reply.iter_content(_CHUNK)
    except requests.RequestException as error:
        raise Unavailable(f"{reply.url} broke off: {error}") from error


@cache
def peer_files(ca_path: Path, port: int) -> PeerFiles:
    """Return this process's access to the other managers' files."""
    return PeerFiles(ca_path, port)
