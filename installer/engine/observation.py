"""What was seen on a node, and the request that asks for it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from installer.state import ManagedFile, Stage, Step

_GUARD_S = 20  # a guard is a cheap question


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What a node is, apart from what is installed on it."""

    os_id: str = "debian"
    release: str = "trixie"  # the codename
    architecture: str = "x86_64"
    python: str = "3.13.0"
    hostname: str = ""
    cpus: int = 1
    memory_bytes: int = 0
    has_ipv6: bool = False  # the kernel's; it may have no address


@dataclass(frozen=True, slots=True)
class PathFact:
    """What is at a path; `digest` (SHA-256) and `text` only of files that were asked for."""

    kind: str  # file, directory, link, other
    mode: int
    owner: str
    group: str
    digest: str = ""
    text: str | None = None


@dataclass(frozen=True, slots=True)
class UserFact:
    """A user's primary group, home and further groups."""

    group: str
    home: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnitFact:
    """A unit as systemd shows it."""

    load: str = "not-found"
    active: str = "inactive"
    enabled: str = ""
    stale: bool = False  # its file on disk is newer than what systemd knows

    @property
    def is_running(self) -> bool:
        """Tell whether it runs or is on its way to."""
        return self.active in ("active", "activating", "reloading", "refreshing")


@dataclass(frozen=True, slots=True)
class GuardFact:
    """What a step's guard answered."""

    code: int
    output: str = ""

    @property
    def held(self) -> bool:
        """Tell whether the state that the step establishes is there."""
        return self.code == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one remote command saw of a node for some stages."""

    stages: tuple[Stage, ...] = ()
    paths: Mapping[str, PathFact] = field(default_factory=dict)
    users: Mapping[str, UserFact] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)  # name: version
    units: Mapping[str, UnitFact] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)  # unit: restart or reload
    leftovers: tuple[str, ...] = ()  # files of ours that a killed run left
    guards: Mapping[str, GuardFact] = field(default_factory=dict)  # by guard_key
    written: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # kind → name → state
    strays: Mapping[str, PathFact] = field(default_factory=dict)  # ours, but of no stage
    facts: NodeFacts = field(default_factory=NodeFacts)

    def record(self, kind: str) -> Mapping[str, str]:
        """Return what our runs left of a kind (file, unit, package), or what a person `kept`."""
        return self.written.get(kind, {})

    def is_kept(self, path: str) -> bool:
        """Tell whether a person decided to keep this file as it is now."""
        return self.record("kept").get(path) == state_of(self.paths.get(path))

    def wanted_state(self, file: ManagedFile) -> str:
        """Return how the record will have this file once it is as wanted."""
        owner = self.users.get(file.owner)
        group = file.group or (owner.group if owner else file.owner)
        return f"{digest(file.content)} {file.mode:04o} {file.owner} {group}"


ABSENT = "absent"


def state_of(fact: PathFact | None) -> str:
    """Return what is at a path in the words of the node's record: digest, mode, owner, group."""
    if fact is None:
        return ABSENT
    return f"{fact.digest or fact.kind} {fact.mode:04o} {fact.owner} {fact.group}"


def guard_key(stage: Stage, step: Step) -> str:
    """Return the name under which a step's guard is observed."""
    return f"{stage.name}/{step.name}"


def digest(content: bytes) -> str:
    """Return the hash that a node reports for this content."""
    return hashlib.sha256(content).hexdigest()


def observe_request(
    stages: Sequence[Stage],
    *,
    with_content: bool = False,
    with_guards: bool = True,
) -> dict[str, Any]:
    """Return what `node/observe.py` must look at for these stages."""
    states = [stage.state for stage in stages]
    files = {file.path: file for state in states for file in state.files}
    directories = [entry.path for state in states for entry in state.directories]
    absent = [path for state in states for path in state.absent]
    return {
        "paths": _unique([*files, *directories, *absent]),
        "hashed": set(files),
        "with_strays": with_guards,  # a second look is at one stage only
        "with_text": {path for path, file in files.items() if with_content and _is_shown(file)},
        "users": _unique(_user_names(stages)),
        "packages": _unique(package.name for state in states for package in state.packages),
        "units": _unique(unit.name for state in states for unit in state.units),
        "guards": [
            (guard_key(stage, step), step.guard, revealed(step.secrets), _GUARD_S)
            for stage in stages
            for step in stage.steps
            if with_guards
        ],
    }


def _is_shown(file: ManagedFile) -> bool:
    return not file.secret


def _user_names(stages: Sequence[Stage]) -> Iterable[str]:
    for stage in stages:
        yield from (user.name for user in stage.state.users)
        yield from (entry.owner for entry in stage.state.directories)
        yield from (file.owner for file in stage.state.files)


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def revealed(secrets: Mapping[str, Any]) -> dict[str, str]:
    """Return a step's or gate's secrets for stdin."""
    return {name: secret.reveal() for name, secret in secrets.items()}


def read_observation(stages: Sequence[Stage], seen: Mapping[str, Any]) -> Observation:
    """Return what a node answered as values."""
    facts = dict(seen["facts"])
    return Observation(
        stages=tuple(stages),
        paths={path: PathFact(*fact) for path, fact in seen["paths"].items() if fact},
        users={
            name: UserFact(fact[0], fact[1], tuple(fact[2]))
            for name, fact in seen["users"].items()
            if fact
        },
        packages=seen["packages"],
        units={
            name: UnitFact(load, active, enabled, stale == "yes")
            for name, (load, active, enabled, stale) in seen["units"].items()
        },
        pending=seen["pending"],
        written=seen["written"],
        strays={path: PathFact(*fact) for path, fact in seen["strays"].items() if fact},
        leftovers=tuple(seen["leftovers"]),
        guards={key: GuardFact(*fact) for key, fact in seen["guards"].items()},
        facts=NodeFacts(release=facts.pop("codename"), **facts),
    )
