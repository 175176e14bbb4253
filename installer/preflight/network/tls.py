"""Which certificates are refused, by whom and why."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from installer.errors import Problem
from installer.preflight.network.reach import ports_text
from installer.preflight.network.tried import Attempt, Fault, Stage

# OpenSSL's x509_vfy.h
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNTRUSTED = frozenset((2, 18, 19, 20, 21))
_WRONG_NAME = frozenset((62, 64))


class _Cause(NamedTuple):
    """Who must do something about which refusals."""

    code: str
    at: str  # whose certificate or clock it is
    shown: str  # what was shown: the service's certificate, or the client's
    words: str


def tls_problems(
    attempts: Sequence[Attempt], troubled: Collection[frozenset[str]] = ()
) -> Iterator[Problem]:
    """Yield one problem for each certificate or clock that stops handshakes.

    Those that stall between `troubled` pairs are explained already.
    """
    by_cause: dict[_Cause, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        fault, pair = attempt.fault, frozenset((attempt.link.source, attempt.link.target))
        if fault is None or fault.stage is not Stage.TLS:
            continue
        if fault.why != "silence" or pair not in troubled:
            by_cause[_cause(attempt, fault)].append(attempt)
    for cause, stopped in by_cause.items():
        yield _problem(cause, stopped)


def _cause(attempt: Attempt, fault: Fault) -> _Cause:
    link = attempt.link
    holder, judge = (link.source, link.target) if fault.by_target else (link.target, link.source)
    shown = "client certificate" if fault.by_target else "certificate"
    if fault.code in _UNTRUSTED:
        return _Cause("tls-untrusted", holder, shown, "")
    if fault.code in _WRONG_NAME:
        return _Cause("tls-name", holder, shown, "")
    if fault.code == _EXPIRED:
        return _Cause("tls-expired", holder, shown, "")
    if fault.code == _NOT_YET_VALID:
        return _Cause("tls-not-yet-valid", judge, "certificate", "")
    return _Cause("tls-handshake", f"{link.source} → {link.target}", shown, fault.words)


def _problem(cause: _Cause, stopped: Sequence[Attempt]) -> Problem:
    what, remedy = _WORDS[cause.code]
    others = sorted({_other(attempt, cause.at) for attempt in stopped})
    names = {
        "at": cause.at,
        "shown": cause.shown,
        "others": ", ".join(others),
        "ports": ports_text(stopped),
        "words": cause.words,
        "addresses": ", ".join(sorted({attempt.link.address for attempt in stopped})),
    }
    return Problem(
        where=cause.at, what=what.format(**names), remedy=remedy.format(**names), code=cause.code
    )


def _other(attempt: Attempt, at: str) -> str:
    link = attempt.link
    return link.source if at == link.target else link.target


_WORDS = {
    "tls-untrusted": (
        "its {shown} on {ports} is of a CA that {others} does not trust",
        "let the settings name one CA for all of them, or issue the certificate by it:"
        " `cfy_manager certificates list`",
    ),
    "tls-name": (
        "its {shown} on {ports} is not made out to what {others} asks for: {addresses}",
        "issue it again with this name or address among its SANs",
    ),
    "tls-expired": (
        "its {shown} on {ports} has expired by the clock of {others}",
        "renew it: `cfy_manager certificates renew`; if it should be valid, correct the clock",
    ),
    "tls-not-yet-valid": (
        "by its clock the {shown} of {others} on {ports} is not yet valid",
        "correct the clock of {at}: `timedatectl`",
    ),
    "tls-handshake": (
        "{ports}: the handshake failed: {words}",
        "look who listens there (`ss -ltnp`), and for a proxy between them that inspects TLS",
    ),
}
