"""What a plan depends on, as names and words: two plans that agree in them do the same."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path

import installer
from installer.config.source import KeyPath, path_text
from installer.engine.observation import Observation, UnitFact, state_of
from installer.plan.mask import Mask
from installer.state import REFUSED, ManagedFile
from installer.templates import sources

_MEMORY_STEP = 64 * 1024 * 1024  # settings are sized in such steps: see the database's tuning


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """The configuration as one table, and what was observed as one for each node."""

    configuration: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def settings_words(document: object, mask: Mask) -> dict[str, str]:
    """Return a word for each value of an inventory; any of them may be a secret."""
    return {
        f"inventory {path_text(path)}": mask.word(path_text(path), repr(value))
        for path, value in _leaves(document)
    }


def _leaves(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    if isinstance(value, Mapping) and value:
        for key, child in value.items():
            yield from _leaves(child, (*path, key))
    elif isinstance(value, list) and value:
        for at, child in enumerate(value):
            yield from _leaves(child, (*path, at))
    else:
        yield path, value


@cache
def program_word() -> str:
    """Return what names this very cfy_manager: its version, and a digest of code and templates."""
    whole = hashlib.sha256()
    package = Path(installer.__file__).parent
    for path in (*sorted(package.rglob("*.py")), *sources()):
        whole.update(path.name.encode() + b"\0" + path.read_bytes())
    return f"version {version('cfy-manager')}, code {whole.hexdigest()[:12]}"


def node_words(seen: Observation, mask: Mask) -> dict[str, str]:
    """Return everything that was observed of a node and that decides what a run does there."""
    files = {file.path: file for stage in seen.stages for file in stage.state.files}
    return {
        **_host(seen),
        **{f"path {path}": _path(path, files.get(path), seen, mask) for path in _paths(seen)},
        **{f"user {n}": f"group {u.group}, in {list(u.groups)}" for n, u in seen.users.items()},
        **{f"package {name}": version for name, version in seen.packages.items()},
        **{f"unit {name}": _unit(fact) for name, fact in seen.units.items()},
        **{f"unit {name} owes": verb for name, verb in seen.pending.items()},
        **{f"left by a killed run: {path}": "there" for path in seen.leftovers},
        **{f"step {key}": _guard(fact.code) for key, fact in seen.guards.items()},
        **{f"kept {path}": mask.word(path, state) for path, state in seen.record("kept").items()},
    }


def _host(seen: Observation) -> dict[str, str]:
    facts = seen.facts
    return {
        "release": f"{facts.os_id} {facts.release}",
        "architecture": facts.architecture,
        "processors": str(facts.cpus),
        "memory": f"{facts.memory_bytes // _MEMORY_STEP * 64} MiB",
    }


def _paths(seen: Observation) -> list[str]:
    states = [stage.state for stage in seen.stages]
    files = [file.path for state in states for file in state.files]
    directories = [entry.path for state in states for entry in state.directories]
    return [*files, *directories, *(path for state in states for path in state.absent)]


def _path(path: str, file: ManagedFile | None, seen: Observation, mask: Mask) -> str:
    fact = seen.paths.get(path)
    state = state_of(fact)
    if fact is None or file is None or not file.secret:
        return state
    return state.replace(fact.digest, mask.word(path, fact.digest)) if fact.digest else state


def _unit(fact: UnitFact) -> str:
    running = "running" if fact.is_running else "stopped"
    known = ", changed on disk" if fact.stale else ""
    return f"{running}, {fact.enabled or fact.load}{known}"


def _guard(code: int) -> str:
    if code == REFUSED:
        return "refused"
    return "holds" if code == 0 else "to do"
