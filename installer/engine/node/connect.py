"""Try connections as the services of this node will make them, all at once; changes nothing.

What answers is a listener of `listen.py` (`trial`), or a service that runs already.
"""

from __future__ import annotations

from installer.engine.node.side_by_side import side_by_side
from installer.engine.node.tls import client_context, demand_tls
from installer.engine.node.way import (
    Stop,
    await_refusal,
    bulk,
    connected,
    hang_up,
    ping,
    plain_bulk,
    resolved,
    round_trip_s,
    secured,
)

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any


def main(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what came of each wish, in their order."""
    demand_tls()
    wishes = Wishes(request)
    wishes.try_all()
    wishes.look_again()
    return list(wishes.found)


class Wishes:
    """The connections that are to be tried, and what came of each."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._wishes = request["wishes"]
        self._limits = request
        # what a name server that is down leaves without an answer stays so
        self.found = [Stop("name", "silence", "no answer in time").told for _ in self._wishes]
        self._contexts: dict[Any, Any] = {}
        for wish in self._wishes:
            if wish["tls"] and _key(wish) not in self._contexts:
                self._contexts[_key(wish)] = _context(wish["tls"], request["pems"])

    def try_all(self) -> None:
        """Try all of them at once."""
        limit_s = self._limits["connect_s"]
        self._side_by_side([(self._attempt, (n, limit_s)) for n in range(len(self._wishes))])

    def look_again(self) -> None:
        """Find out, once the others are quiet, why something did not come through.

        Where a host answered on other ports, a port without an answer may have lost a packet.
        """
        reached = {self._wishes[n]["address"] for n, told in enumerate(self.found) if "own" in told}
        silent = [n for n, told in enumerate(self.found) if _is_silent(told)]
        stalled = [n for n, told in enumerate(self.found) if _stalls(told)]
        for number in stalled:
            self.found[number].pop("bulk", None)  # in the crowd it says nothing; alone it does
        jobs: list[tuple[Any, tuple[Any, ...]]] = [
            (self._plain_bulk, (number,))
            for number in {self._wishes[n]["address"]: n for n in stalled}.values()
        ]
        again_s = self._limits["again_s"]
        jobs += [
            (self._attempt, (n, again_s)) for n in silent if self._wishes[n]["address"] in reached
        ]
        self._side_by_side(jobs)

    def _side_by_side(self, jobs: list[tuple[Any, tuple[Any, ...]]]) -> None:
        side_by_side(jobs, self._limits["total_s"])

    def _attempt(self, number: int, connect_s: float) -> None:
        wish = self._wishes[number]
        told: dict[str, Any] = {"stage": "", "why": "", "words": "", "code": 0}
        told["trial"] = wish["trial"]
        stream: Any = None
        try:
            answers = resolved(wish)
            self.found[number] = Stop("connect", "silence", "no answer in time").told
            stream = connected(answers, connect_s)
            told["own"] = stream.getsockname()[:2]
            stream.settimeout(self._limits["answer_s"])
            if wish["tls"]:
                stream = secured(stream, wish, self._contexts[_key(wish)])
            self._measure(stream, wish, told)
        except Stop as stop:
            told |= stop.told
        finally:
            if stream is not None:
                (hang_up if wish["trial"] else type(stream).close)(stream)
        self.found[number] = told

    def _measure(self, stream: Any, wish: dict[str, Any], told: dict[str, Any]) -> None:
        if wish["trial"]:
            told["first_byte_s"] = ping(stream)
        elif not _is_pinned(wish):  # syncthing hangs up on whoever says no hello
            await_refusal(stream, self._limits["refusal_s"])
        told["rtt_s"] = round_trip_s(stream)
        if wish["bulk"]:
            told["bulk"] = bulk(stream, self._limits["bulk_bytes"], self._limits["bulk_s"])

    def _plain_bulk(self, number: int) -> None:
        self.found[number] |= plain_bulk(self._wishes[number], self._limits)


def _stalls(told: dict[str, Any]) -> bool:
    """Tell whether our own listener was reached, and then something did not come through."""
    if not told.get("trial"):
        return False
    partial = any(not is_whole for _, _, is_whole in told.get("bulk", {}).values())
    return partial or (told["stage"] == "tls" and told["why"] == "silence")


def _is_pinned(wish: dict[str, Any]) -> bool:
    return wish["tls"] is not None and wish["tls"]["name"] is None


def _is_silent(told: dict[str, Any]) -> bool:
    return bool(told["stage"] == "connect" and told["why"] == "silence")


def _key(wish: dict[str, Any]) -> Any:
    tls = wish["tls"]
    return tls and (tls["pair"], tls["trust"], tls["name"] is not None)


def _context(tls: dict[str, Any], pems: list[bytes]) -> Any:
    pair, trust = (None if tls[key] is None else pems[tls[key]] for key in ("pair", "trust"))
    return client_context(pair, trust, tls["name"] is not None)
