"""Which certificates are refused, by whom and why."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from installer.errors import Problem
from installer.preflight.network.reach import ports_text
from installer.preflight.network.tried import Attempt, Fault, Stage

# OpenSSL's x509_vfy.h
_CODES = {
    "tls-not-yet-valid": frozenset((9,)),
    "tls-expired": frozenset((10,)),
    "tls-untrusted": frozenset((2, 18, 19, 20, 21)),
    "tls-name": frozenset((62, 64)),
}
_SEVERAL = 2


class Refusal(NamedTuple):
    """One certificate that one node has refused."""

    code: str
    holder: str  # who shows the certificate
    judge: str  # who refuses it
    attempt: Attempt


def tls_problems(
    attempts: Sequence[Attempt], troubled: Collection[frozenset[str]] = ()
) -> Iterator[Problem]:
    """Yield one problem for each certificate, trust or clock that stops handshakes.

    Those that stall between `troubled` pairs are explained already.
    """
    refusals: list[Refusal] = []
    others: dict[tuple[str, str], list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        fault, link = attempt.fault, attempt.link
        if fault is None or fault.stage is not Stage.TLS:
            continue
        if code := _code(fault):
            ends = (link.source, link.target) if fault.by_target else (link.target, link.source)
            refusals.append(Refusal(code, *ends, attempt))
        elif fault.why != "silence" or frozenset((link.source, link.target)) not in troubled:
            others[f"{link.source} → {link.target}", fault.words].append(attempt)
    for code in _CODES:
        yield from _refused([refusal for refusal in refusals if refusal.code == code])
    for (where, words), stopped in others.items():
        yield _other_problem(where, words, stopped)


def _code(fault: Fault) -> str | None:
    return next((code for code, numbers in _CODES.items() if fault.code in numbers), None)


def _refused(refusals: Sequence[Refusal]) -> Iterator[Problem]:
    """Yield a problem at each holder whom several refuse, or judge who refuses several."""
    by_place: dict[tuple[str, bool], list[Refusal]] = defaultdict(list)
    for refusal in refusals:
        judges = {each.judge for each in refusals if each.holder == refusal.holder}
        holders = {each.holder for each in refusals if each.judge == refusal.judge}
        is_judge = len(judges) < _SEVERAL and (
            len(holders) >= _SEVERAL or refusal.code == "tls-not-yet-valid"
        )
        place = refusal.judge if is_judge and refusal.code != "tls-name" else refusal.holder
        by_place[place, place == refusal.judge].append(refusal)
    for (place, is_judge), found in by_place.items():
        yield _problem(place, is_judge, found)


def _problem(place: str, is_judge: bool, found: Sequence[Refusal]) -> Problem:
    code = found[0].code
    what, remedy = (_OF_JUDGE if is_judge else _OF_HOLDER)[code]
    others = {refusal.holder if is_judge else refusal.judge for refusal in found}
    names = {
        "at": place,
        "others": " and ".join(sorted(others)),
        "ports": ports_text([refusal.attempt for refusal in found]),
        "names": ", ".join(sorted({_asked(refusal.attempt) for refusal in found})),
    }
    return Problem(where=place, what=what.format(**names), remedy=remedy.format(**names), code=code)


def _asked(attempt: Attempt) -> str:
    tls = attempt.link.tls
    return (tls.server_name if tls else None) or attempt.link.address


def _other_problem(where: str, words: str, stopped: Sequence[Attempt]) -> Problem:
    return Problem(
        where=where,
        what=f"{ports_text(stopped)}: the handshake failed: {words}",
        remedy="look who listens there (`ss -ltnp`), and for a proxy between that inspects TLS",
        code="tls-handshake",
    )


_CLOCK = "correct the clock of {at}: `timedatectl`"
_OF_HOLDER = {
    "tls-untrusted": (
        "its certificate, tried on {ports}, is of a CA that {others} cannot trust",
        "name the CA of this certificate in the settings of the others, or issue it by theirs",
    ),
    "tls-name": (
        "its certificate, tried on {ports}, is not made out to {names}, as {others} must demand",
        "issue it again with that among its SANs",
    ),
    "tls-expired": (
        "its certificate, tried on {ports}, has expired by the clock of {others}",
        "renew it: `cfy_manager certificates renew`",
    ),
    "tls-not-yet-valid": (
        "its certificate, tried on {ports}, is not yet valid by the clock of {others}",
        "correct the clock of the machine that issued it, and issue it again",
    ),
}
_OF_JUDGE = {
    "tls-untrusted": (
        "it does not trust the CA of the certificates of {others}, tried on {ports}",
        "name the CA of the others in the settings of {at}: its ca_path is another one",
    ),
    "tls-expired": (
        "by its clock the certificates of {others}, tried on {ports}, have expired",
        _CLOCK,
    ),
    "tls-not-yet-valid": (
        "by its clock the certificates of {others}, tried on {ports}, are not yet valid",
        _CLOCK,
    ),
}
