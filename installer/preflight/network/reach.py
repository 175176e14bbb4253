"""Which nodes do not reach each other, and what that says of what lies between them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from installer.errors import Problem
from installer.preflight.network.tried import Attempt, Stage

Pair = tuple[str, str]  # source, target

_SILENT = ("silence", "no route")
_FEWEST = 2  # peers that a node must have lost to be called isolated

_REASONS = {
    "silence": (
        "no answer",
        "open it in the firewalls between them and in the provider's security groups",
    ),
    "refused": (
        "refused by a firewall: our own listener was there",
        "remove the rule that rejects it on {target} or on the way",
    ),
    "no route": ("no route", "add the route on {source}, or correct the address of {target}"),
    "forbidden": (
        "forbidden by the source's own packet filter",
        "allow it in the outgoing rules of {source}: `nft list ruleset`",
    ),
    "reset": (
        "the connection was reset on its way",
        "look for a firewall or proxy between them that inspects connections",
    ),
}
_OTHER = ("{words}", "look at the network of {source}")


def reach_problems(attempts: Sequence[Attempt]) -> Iterator[Problem]:
    """Yield one problem for each node, pair or group of ports that is out of reach."""
    between = [attempt for attempt in attempts if not attempt.link.is_external]
    lost = _lost_pairs(between)
    isolated = tuple(_isolated(between, lost))
    for node in isolated:
        yield _isolated_problem(node)
    rest = [
        attempt
        for attempt in between
        if attempt.link.source not in isolated and attempt.link.target not in isolated
    ]
    yield from _pair_problems(rest, lost)
    yield from _external_problems([attempt for attempt in attempts if attempt.link.is_external])
    yield from _name_problems(attempts)


def is_unreached(attempt: Attempt) -> bool:
    """Tell whether the attempt failed before any byte was exchanged."""
    return attempt.fault is not None and attempt.fault.stage is Stage.CONNECT


def _lost_pairs(attempts: Sequence[Attempt]) -> frozenset[Pair]:
    """Return the pairs of which nothing at all passed, without a word of refusal."""
    by_pair: dict[Pair, list[bool]] = defaultdict(list)
    for attempt in attempts:
        silent = is_unreached(attempt) and attempt.fault is not None
        by_pair[attempt.link.source, attempt.link.target].append(
            silent and attempt.fault is not None and attempt.fault.why in _SILENT
        )
    return frozenset(pair for pair, silent in by_pair.items() if all(silent))


def _isolated(attempts: Sequence[Attempt], lost: frozenset[Pair]) -> Iterator[str]:
    """Yield each node that has lost all its peers, while others still have theirs."""
    pairs = {(attempt.link.source, attempt.link.target) for attempt in attempts}
    for node in dict.fromkeys(name for pair in sorted(pairs) for name in pair):
        own = {pair for pair in pairs if node in pair}
        peers = {name for pair in own for name in pair} - {node}
        if own <= lost and len(peers) >= _FEWEST and pairs - lost:
            yield node


def _isolated_problem(node: str) -> Problem:
    return Problem(
        where=node,
        what="it reaches no other node, and none reaches it",
        remedy=f"look at the interface, the address and the packet filter of {node}",
        code="node-isolated",
    )


def _pair_problems(attempts: Sequence[Attempt], lost: frozenset[Pair]) -> Iterator[Problem]:
    tried = {(attempt.link.source, attempt.link.target) for attempt in attempts}
    told: set[Pair] = set()
    for (pair, why), ports in _unreached_ports(attempts).items():
        source, target = pair
        back = (target, source)
        if pair in told:
            continue
        if pair in lost and back in lost:
            told.add(back)
            yield _unreachable(f"{source} ↔ {target}", pair, why, _ports_of(attempts, pair, back))
        elif pair in lost and back in tried and not _has_unreached(attempts, back):
            yield _asymmetric(source, target, ports)
        else:
            yield _unreachable(f"{source} → {target}", pair, why, ports)


def _unreached_ports(
    attempts: Sequence[Attempt],
) -> Mapping[tuple[Pair, tuple[str, str]], list[Attempt]]:
    """Return what did not connect, by pair and by why (with its words)."""
    found: dict[tuple[Pair, tuple[str, str]], list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        if is_unreached(attempt) and attempt.fault:
            pair = attempt.link.source, attempt.link.target
            found[pair, (attempt.fault.why, attempt.fault.words)].append(attempt)
    return found


def _has_unreached(attempts: Sequence[Attempt], pair: Pair) -> bool:
    return any(
        is_unreached(attempt)
        for attempt in attempts
        if (attempt.link.source, attempt.link.target) == pair
    )


def _ports_of(attempts: Sequence[Attempt], *pairs: Pair) -> list[Attempt]:
    return [
        attempt
        for attempt in attempts
        if (attempt.link.source, attempt.link.target) in pairs and is_unreached(attempt)
    ]


def _unreachable(
    where: str, pair: Pair, why: tuple[str, str], attempts: Sequence[Attempt]
) -> Problem:
    said, remedy = _REASONS.get(why[0], _OTHER)
    if why[0] == "refused" and not any(attempt.is_trial for attempt in attempts):
        said, remedy = "refused", "look whether the service runs on {target}"
    names = {"source": pair[0], "target": pair[1], "words": why[1]}
    return Problem(
        where=where,
        what=f"{ports_text(attempts)}: {said.format(**names)}",
        remedy=remedy.format(**names),
        code="port-unreachable",
    )


def _asymmetric(source: str, target: str, attempts: Sequence[Attempt]) -> Problem:
    return Problem(
        where=f"{source} → {target}",
        what=f"{ports_text(attempts)}: no answer, though {target} reaches {source}",
        remedy=f"allow new connections from {source} to {target}: a firewall lets one way pass",
        code="asymmetric",
    )


def _external_problems(attempts: Sequence[Attempt]) -> Iterator[Problem]:
    by_target: dict[tuple[str, int, str, str], list[str]] = defaultdict(list)
    for attempt in attempts:
        if is_unreached(attempt) and attempt.fault:
            link, fault = attempt.link, attempt.fault
            by_target[link.address, link.port, fault.why, fault.words].append(link.source)
    for (address, port, why, words), sources in by_target.items():
        yield Problem(
            where=f"{', '.join(sources)} → {address}:{port}",
            what={"silence": "no answer", "refused": "refused"}.get(why, why) + f" ({words})",
            remedy="allow the nodes' addresses in the provider's firewall, and this port in yours",
            code="port-unreachable",
        )


def _name_problems(attempts: Sequence[Attempt]) -> Iterator[Problem]:
    """Yield a problem for each external name; the names of nodes are a check of each node."""
    by_name: dict[tuple[str, str], list[str]] = defaultdict(list)
    for attempt in attempts:
        if attempt.fault and attempt.fault.stage is Stage.NAME and attempt.link.is_external:
            by_name[attempt.link.address, attempt.fault.words].append(attempt.link.source)
    for (name, words), sources in by_name.items():
        yield Problem(
            where=", ".join(dict.fromkeys(sources)),
            what=f"'{name}' has no address there: {words}",
            remedy=f"add it to the name servers or /etc/hosts: `getent ahosts {name}` must tell it",
            code="external-name-unresolved",
        )


def ports_text(attempts: Sequence[Attempt]) -> str:
    """Return the ports with what is spoken there: "port 2379 (etcd), 2380 (etcd peer)"."""
    ports = {attempt.link.port: attempt.link.service for attempt in attempts}
    named = ", ".join(f"{port} ({ports[port]})" for port in sorted(ports))
    return f"port {named}"
