"""What came of the trial: each attempt, and why it failed where it did."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from installer.errors import Problem
from installer.links import Link
from installer.preflight.network.plan import Probe
from installer.preflight.network.requests import OPEN


class Stage(StrEnum):
    """How far an attempt came before it failed."""

    NAME = "name"
    CONNECT = "connect"
    TLS = "tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What stopped an attempt; `code` is OpenSSL's verification code, 0 where it is another."""

    stage: Stage
    why: str  # silence, refused, no route, forbidden, reset, no address, fault, failed
    words: str = ""
    code: int = 0
    by_target: bool = False  # the target has refused the certificate that the source showed


@dataclass(frozen=True, slots=True)
class Transfer:
    """How much of a larger amount of data arrived, and in which time."""

    seconds: float
    arrived_bytes: int
    is_whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One connection that was tried."""

    link: Link
    is_trial: bool  # our own listener answered; otherwise a service that runs already
    fault: Fault | None = None
    rtt_s: float | None = None
    first_byte_s: float | None = None
    up: Transfer | None = None  # towards the target
    down: Transfer | None = None

    @property
    def has_failed(self) -> bool:
        """Tell whether the link does not work, or loses what is large."""
        lost = any(way is not None and way.arrived_bytes == 0 for way in (self.up, self.down))
        return self.fault is not None or lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """All attempts, what could not be opened for them, and which nodes could not take part."""

    nodes: tuple[str, ...]
    attempts: tuple[Attempt, ...] = ()
    skipped: tuple[Link, ...] = ()  # nobody of ours is there to answer
    unopened: Mapping[tuple[str, int], str] = field(default_factory=dict)  # node, port: why
    absent: Mapping[str, Problem] = field(default_factory=dict)
    seconds: float = 0.0
    explained: tuple[Attempt, ...] = ()  # attempts whose failure another check tells

    def without(self, explained: Iterable[Attempt]) -> "Tried":
        """Return the same, where these failures are told elsewhere."""
        return replace(self, explained=tuple(explained))

    @property
    def unexplained(self) -> tuple[Attempt, ...]:
        """Return the attempts that only the trial can tell of."""
        return tuple(attempt for attempt in self.attempts if attempt not in self.explained)


Refusals = Mapping[tuple[str, int], tuple[int, str]]  # address and port of who was refused: why


def read_attempts(
    probes: Sequence[Probe],
    told: Sequence[Mapping[str, Any]],
    states: Mapping[str, Mapping[int, str]],
    refused: Refusals,
) -> tuple[Attempt, ...]:
    """Return what a node told of its probes, with what the other side knows of a refusal."""
    return tuple(
        _attempt(probe.link, found, _is_trial(probe.link, states), refused)
        for probe, found in zip(probes, told, strict=False)  # it may have told nothing
    )


def _is_trial(link: Link, states: Mapping[str, Mapping[int, str]]) -> bool:
    return states.get(link.target, {}).get(link.port) == OPEN


def _attempt(link: Link, found: Mapping[str, Any], is_trial: bool, refused: Refusals) -> Attempt:
    bulk = found.get("bulk") or {}
    return Attempt(
        link=link,
        is_trial=is_trial,
        fault=_fault(found, refused) if found["stage"] else None,
        rtt_s=found.get("rtt_s"),
        first_byte_s=found.get("first_byte_s"),
        **{way: Transfer(*values) for way, values in bulk.items()},
    )


def _fault(found: Mapping[str, Any], refused: Refusals) -> Fault:
    own = tuple(found.get("own") or ())
    is_refusal = len(own) == 2 and found["why"] == "fault" and not found["code"]
    told = refused.get(own) if is_refusal else None
    code, words = told or (found["code"], found["words"])
    return Fault(
        stage=Stage(found["stage"]),
        why=found["why"],
        words=words,
        code=code,
        by_target=told is not None,
    )
