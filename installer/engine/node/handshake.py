"""Tell which certificate each port shows now, and whether a client would accept it."""

from __future__ import annotations

from installer.engine.node.side_by_side import side_by_side
from installer.engine.node.tls import client_context, demand_tls
from installer.engine.node.way import Stop, connected, resolved, secured

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_LATE = ("connect", "silence", "no answer in time")


def main(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what each port showed, in the order of the wishes."""
    demand_tls()
    found = [_told(None, Stop(*_LATE)) for _ in request["wishes"]]
    jobs = ((_look, (request, number, found)) for number in range(len(found)))
    side_by_side(jobs, request["total_s"])
    return list(found)


def _look(request: dict[str, Any], number: int, found: list[dict[str, Any]]) -> None:
    """Shake hands as a client that verifies; one that is refused looks at what was shown."""
    wish = request["wishes"][number]
    pair, trust = (_pem(request, wish[key]) for key in ("pair", "trust"))
    try:
        found[number] = _told(_shown(wish, request, _verifying(pair, trust)), None)
        return
    except Stop as stop:
        refusal = stop
    try:
        shown = _shown(wish, request, client_context(pair, None, has_name=False))
    except Stop:
        shown = None
    found[number] = _told(shown, refusal)


def _pem(request: dict[str, Any], index: int | None) -> bytes | None:
    return None if index is None else bytes(request["pems"][index])


def _verifying(pair: bytes | None, trust: bytes | None) -> Any:
    """Return a context that wants a valid chain; which names it covers was checked before."""
    context = client_context(pair, trust, has_name=True)
    context.check_hostname = False
    return context


def _shown(wish: dict[str, Any], request: dict[str, Any], context: Any) -> bytes:
    """Return the certificate of one handshake; raises Stop with what ended it."""
    stream = connected(resolved(wish), request["connect_s"])
    stream.settimeout(request["answer_s"])
    with secured(stream, wish, context) as secure:
        return bytes(secure.getpeercert(True))


def _told(shown: bytes | None, stop: Stop | None) -> dict[str, Any]:
    fault = stop.told if stop else {"stage": "", "why": "", "words": "", "code": 0}
    return {"certificate": shown, **fault}
