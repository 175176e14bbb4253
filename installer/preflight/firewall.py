"""Read a packet filter's rules as its tools list them, and tell which connections they drop.

Only what is certain is told: a rule whose conditions are not understood may let anything through.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Span = tuple[int, int]  # of ports, the last one included


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a rule does with a new TCP connection, and to which it applies."""

    verdict: str  # accept, drop, return, or jump
    target: str = ""  # of a jump
    ports: tuple[Span, ...] | None = None  # None: all
    sources: tuple[Network, ...] | None = None  # None: all
    is_certain: bool = True  # all its conditions are understood


@dataclass(slots=True)
class Chain:
    """A list of rules; those with a hook see each packet that comes in."""

    family: str  # ip, ip6 or inet
    policy: str = ""  # of a chain with a hook: accept or drop
    rules: list[Rule] = field(default_factory=list)


Chains = Mapping[str, Chain]


def drops(tables: list[Chains], port: int, source: str) -> bool:
    """Tell whether a new connection from this address to this port is certainly dropped."""
    address = ipaddress.ip_address(source)
    family = "ip" if address.version == 4 else "ip6"
    return any(
        _verdict(chains, chain, port, address, chain.policy) == "drop"
        for chains in tables
        for chain in chains.values()
        if chain.policy and chain.family in (family, "inet")
    )


def _verdict(
    chains: Chains,
    chain: Chain,
    port: int,
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    otherwise: str,
) -> str:
    """Return accept where anything may accept, drop where that is certain."""
    for rule in chain.rules:
        if not _may_match(rule, port, address):
            continue
        verdict = rule.verdict
        if verdict == "jump":
            inner = chains.get(rule.target)
            verdict = _verdict(chains, inner, port, address, "return") if inner else "accept"
        if verdict == "accept" or (verdict == "drop" and rule.is_certain):
            return verdict
        if verdict == "return" and rule.verdict == "return" and rule.is_certain:
            return otherwise
    return otherwise


def _may_match(
    rule: Rule, port: int, address: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> bool:
    if rule.ports is not None and not any(low <= port <= high for low, high in rule.ports):
        return False
    return rule.sources is None or any(address in network for network in rule.sources)


def tables_of(rules: Mapping[str, str]) -> list[Chains]:
    """Return the chains of each table of each tool's listing."""
    found = nft_tables(rules.get("nft", ""))
    for tool, family in (("iptables", "ip"), ("ip6tables", "ip6")):
        if text := rules.get(tool):
            found.append(iptables_chains(text, family))
    return found


_QUIET = re.compile(
    r'counter(?: packets \d+ bytes \d+)?|log(?: (?:prefix "[^"]*"|level \S+|flags \S+))*'
    r'|comment "[^"]*"|limit rate \S+(?: burst \d+ packets)?'
)
_NFT_PORT = re.compile(r"(?:tcp|th) dport (\{[^}]*\}|[^\s{]+)")
_NFT_SOURCE = re.compile(r"ip6? saddr (\{[^}]*\}|[^\s{]+)")
_NFT_STATE = re.compile(r"ct state (?:vmap \{[^}]*\}|\{[^}]*\}|\S+)")
_NFT_TCP = re.compile(r"meta l4proto (?:tcp|6)\b|ip protocol (?:tcp|6)\b")
_NFT_VERDICT = re.compile(r"\b(accept|drop|reject|return|jump|goto)\b(?: ([\w-]+))?")
_NFT_NEVER = re.compile(
    r'\biif(?:name)? "?lo"?|\b(?:udp|sctp|esp|vrrp)\b|\bicmp|\bip6? daddr|l4proto (?!tcp|6\b)'
)


def nft_tables(text: str) -> list[Chains]:
    """Return the chains of each table of `nft list ruleset`."""
    tables: list[Chains] = []
    chains: dict[str, Chain] = {}
    chain: Chain | None = None
    family = ""
    for line in map(str.strip, text.splitlines()):
        if table := re.match(r"table (\w+) \S+ \{", line):
            chains, family = {}, table.group(1)
            tables.append(chains)
        elif named := re.match(r"chain (\S+) \{", line):
            chain = chains[named.group(1)] = Chain(family)
        elif hook := re.match(r"type filter hook (\w+) .*?(?:policy (\w+);)?$", line):
            if chain is not None and hook.group(1) == "input":
                chain.policy = hook.group(2) or "accept"
        elif line == "}":
            chain = None
        elif chain is not None and (rule := _nft_rule(line)):
            chain.rules.append(rule)
    return tables


def _nft_rule(line: str) -> Rule | None:
    states = _NFT_STATE.findall(line)
    if _NFT_NEVER.search(line) or any("new" not in state for state in states):
        return None
    rest = _NFT_STATE.sub("", _NFT_TCP.sub("", _QUIET.sub("", line)))
    ports, rest = _taken(_NFT_PORT, rest)
    sources, rest = _taken(_NFT_SOURCE, rest)
    found = _NFT_VERDICT.search(rest)
    if found is None:
        return None
    spans, networks = _spans(ports), _networks(sources)
    unknown = (ports and spans is None) or (sources and networks is None) or states
    return Rule(
        verdict={"reject": "drop", "goto": "jump"}.get(found.group(1), found.group(1)),
        target=found.group(2) or "",
        ports=spans,
        sources=networks,
        is_certain=not rest[: found.start()].strip() and not unknown,
    )


def _taken(pattern: re.Pattern[str], text: str) -> tuple[str, str]:
    found = pattern.search(text)
    return (found.group(1), text.replace(found.group(0), "", 1)) if found else ("", text)


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.strip("{} ").split(",") if item.strip()]


def _spans(text: str) -> tuple[Span, ...] | None:
    found = []
    for item in _items(text):
        low, _, high = item.replace(":", "-").partition("-")
        if not low.isdigit() or (high and not high.isdigit()):
            return None  # a name, or a set elsewhere
        found.append((int(low), int(high or low)))
    return tuple(found) or None


def _networks(text: str) -> tuple[Network, ...] | None:
    try:
        return tuple(ipaddress.ip_network(item, strict=False) for item in _items(text)) or None
    except ValueError:
        return None


_IPT_KNOWN = re.compile(
    r"-A \S+|-[jg] \S+(?: --reject-with \S+)?|-p tcp|-m (?:tcp|comment|conntrack|state|multiport)"
    r'|--comment (?:"[^"]*"|\S+)|--dports? \S+|-s \S+|--(?:ct)?state \S+'
)
_IPT_NEVER = re.compile(r"-i lo\b|-p (?!tcp)\S+|! ")


def iptables_chains(text: str, family: str) -> Chains:
    """Return the chains of the table `filter` of `iptables-save`."""
    chains: dict[str, Chain] = {}
    is_filter = False
    for line in text.splitlines():
        if line.startswith("*"):
            is_filter = line == "*filter"
        elif is_filter and line.startswith(":"):
            name, policy = line[1:].split()[:2]
            own = policy.lower() if name == "INPUT" else ""
            chains[name] = Chain(family, policy=own)
        elif is_filter and line.startswith("-A ") and (rule := _iptables_rule(line)):
            chains[line.split()[1]].rules.append(rule)
    return chains


def _iptables_rule(line: str) -> Rule | None:
    state = re.search(r"--(?:ct)?state (\S+)", line)
    jump = re.search(r" -[jg] (\S+)", line)
    if jump is None or _IPT_NEVER.search(line) or (state and "NEW" not in state.group(1)):
        return None
    target = jump.group(1)
    verdicts = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "RETURN": "return"}
    if target in ("LOG", "NFLOG", "MARK", "CONNMARK"):
        return None
    port = re.search(r"--dports? (\S+)", line)
    source = re.search(r"-s (\S+)", line)
    return Rule(
        verdict=verdicts.get(target, "jump"),
        target=target,
        ports=_spans(port.group(1)) if port else None,
        sources=_networks(source.group(1)) if source else None,
        is_certain=not _IPT_KNOWN.sub("", line).strip(),
    )
