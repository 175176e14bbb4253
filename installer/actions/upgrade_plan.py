"""What an upgrade changes on each node: from which version to which, and in whose turn."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch

from installer.actions.rollout import NODE, TOOLKIT, StagesByRole
from installer.actions.versions import PROGRAMS
from installer.bundle.catalogue import ENVIRONMENTS, Environment
from installer.bundle.model import Bundle
from installer.bundle.use import environment_id
from installer.bundle.versions import is_newer
from installer.config.compatibility import parsed_version
from installer.engine.changes import StageDifference, Verb
from installer.engine.difference import difference
from installer.engine.engine import Engine
from installer.engine.observation import Observation
from installer.engine.session import Session
from installer.errors import NodeUnreachable
from installer.roles.queue.state import DISABLED_FLAGS
from installer.state import Stage

ROLES = ("database", "queue", "manager", "loadbalancer", TOOLKIT)
_REPORTER = "reporter"
_ENVIRONMENT = "environment"
_METADATA = "lib/python3*/site-packages/cfy_manager-*.dist-info/METADATA"
_FLAG = "disabled-flag"
_UNKNOWN = "unknown"
BROKER = "rabbitmq-server"
_INTERRUPTING = (Verb.START, Verb.RESTART, Verb.STOP)


@dataclass(frozen=True, slots=True)
class Move:
    """A package or environment that goes from one version to another."""

    name: str
    found: str
    wanted: str

    @property
    def is_program(self) -> bool:
        """Tell whether it is a program that people know, rather than a library."""
        return any(fnmatch(self.name, pattern) for pattern in PROGRAMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What a node has: packages by version, environments by identity and version, flags."""

    packages: Mapping[str, str]
    environments: Mapping[str, tuple[str, str]]
    disabled_flags: tuple[str, ...] = ()  # RabbitMQ's; asked where its series is to change


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What changes on a node when one of its roles has its turn."""

    packages: tuple[Move, ...] = ()
    environments: tuple[Move, ...] = ()
    others: tuple[str, ...] = ()  # files, units and steps, as a plan tells them
    interrupts: bool = False  # services stop or restart

    @property
    def is_needed(self) -> bool:
        """Tell whether there is anything to do."""
        return bool(self.packages or self.environments or self.others)

    @property
    def stops(self) -> bool:
        """Tell whether services must be down while it is done."""
        return bool(self.packages or self.environments)

    @property
    def versions(self) -> dict[str, str]:
        """Return each package's version afterwards."""
        return {move.name: move.wanted for move in self.packages}


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradePlan:
    """Every node's turns, and what the nodes have now."""

    bundle: Bundle
    installed: Mapping[str, Installed] = field(default_factory=dict)
    turns: Mapping[str, Mapping[str, Turn]] = field(default_factory=dict)  # node → role → turn

    def turn(self, role: str, node: str) -> Turn:
        """Return what a role's turn on a node is."""
        return self.turns.get(node, {}).get(role, Turn())

    @property
    def nodes(self) -> tuple[str, ...]:
        """Return the nodes on which anything changes."""
        return tuple(
            n for n, turns in self.turns.items() if any(t.is_needed for t in turns.values())
        )

    @property
    def is_needed(self) -> bool:
        """Tell whether any node differs from the bundle."""
        return bool(self.nodes)


def plan_upgrade(
    engine: Engine, bundle: Bundle, stages: StagesByRole, *, back_from: Bundle | None = None
) -> UpgradePlan:
    """Return what must change for the nodes to be as the bundle says.

    Packages only go forward, unless the plan leads `back_from` a newer bundle: then those go back
    that have its versions. Raises NodeUnreachable with each node that does not answer.
    """
    choose = _goes_back(back_from) if back_from else _goes_forward

    def look(session: Session) -> tuple[Installed, dict[str, Turn]]:
        roles = stages[session.name]
        installed = _read(session.run(_script(bundle)).stdout)
        seen = session.observe([stage for each in roles.values() for stage in each])
        return installed, {
            role: _turn(role, roles, _Sight(bundle, installed, seen, choose))
            for role in ROLES
            if role in roles
        }

    outcomes = engine.on_each(stages, look)
    if failed := [outcome.error for outcome in outcomes.values() if outcome.error is not None]:
        raise NodeUnreachable(*failed)
    found = {node: outcome.value for node, outcome in outcomes.items() if outcome.value}
    return UpgradePlan(
        bundle=bundle,
        installed={node: installed for node, (installed, _) in found.items()},
        turns={node: turns for node, (_, turns) in found.items()},
    )


def stages_in_turn(role: str, roles: Mapping[str, Sequence[Stage]]) -> tuple[Stage, ...]:
    """Return all stages that a role's turn brings about, in order.

    A manager's turn brings the environments along, with the status reporter that runs from them;
    elsewhere they have a turn of their own.
    """
    names = {
        "manager": (NODE, TOOLKIT, "manager", _REPORTER),
        TOOLKIT: (NODE, TOOLKIT, _REPORTER),
    }
    return tuple(stage for name in names.get(role, (NODE, role)) for stage in roles.get(name, ()))


def bundled_version(bundle: Bundle) -> str:
    """Return the version of our own code in a bundle."""
    wheels = (f.path.removeprefix("wheels/") for f in bundle.files if f.path.startswith("wheels/"))
    return next((w.split("-")[1] for w in wheels if w.startswith("cfy_manager-")), _UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Sight:
    """A node as it is, beside the bundle that it is to have."""

    bundle: Bundle
    installed: Installed
    seen: Observation
    choose: Callable[[Move], bool]  # is this to happen?


def _turn(role: str, roles: Mapping[str, Sequence[Stage]], sight: _Sight) -> Turn:
    if role == TOOLKIT and "manager" in roles:
        return Turn()
    wanted = {stage.name for stage in stages_in_turn(role, roles)}
    all_changes = difference(sight.seen.stages, sight.seen).stages
    changes = [change for change in all_changes if change.stage.name in wanted]
    mine = [e for e in ENVIRONMENTS if set(e.roles) & set(roles)]
    turn = Turn(
        packages=tuple(_packages(role, sight)),
        environments=tuple(_environments(mine, sight)) if role in ("manager", TOOLKIT) else (),
        interrupts=any(_interrupts(change) for change in changes),
    )
    if turn.stops:  # that units start again goes without saying
        changes = [replace(change, units=()) for change in changes]
    return replace(turn, others=tuple(line for each in changes for line in _other_lines(each)))


def _packages(role: str, sight: _Sight) -> Iterator[Move]:
    for package in sight.bundle.lock.packages_for(role):
        found = sight.installed.packages.get(package.name)
        if found is not None and sight.choose(Move(package.name, found, package.version)):
            yield Move(package.name, found, package.version)


def _environments(environments: Iterable[Environment], sight: _Sight) -> Iterator[Move]:
    version = bundled_version(sight.bundle)
    for environment in environments:
        wanted = environment_id(environment.name, sight.bundle.digest_of)
        found, now = sight.installed.environments.get(environment.name, ("", _UNKNOWN))
        if found != wanted:
            yield Move(environment.name, f"{now} {found[:7]}", f"{version} {wanted[:7]}")


def _other_lines(change: StageDifference) -> tuple[str, ...]:
    """Return what changes beside the environments, which are told by their versions."""
    if change.stage.name.startswith(f"{TOOLKIT}/"):
        return ()
    return change.lines()


def _interrupts(change: StageDifference) -> bool:
    return any(unit.verb in _INTERRUPTING for unit in change.units)


def _goes_forward(move: Move) -> bool:
    return is_newer(move.wanted, move.found)


def _goes_back(newer: Bundle) -> Callable[[Move], bool]:
    raised = {package.name: package.version for package in newer.lock.packages}
    return lambda move: raised.get(move.name) == move.found and is_newer(move.found, move.wanted)


def _script(bundle: Bundle) -> str:
    """Return what lists packages as `name version status` and environments behind a word."""
    bundled = {package.name for package in bundle.lock.packages}
    names = shlex.join(sorted({*bundled, *PROGRAMS}))
    form = shlex.quote(r"${Package} ${Version} ${db:Status-Status}\n")
    lines = [f"dpkg-query -W -f {form} {names} 2>/dev/null || true"]
    for environment in ENVIRONMENTS:
        link = f"{environment.folder}/env"
        version = f"sed -n 's/^Version: //p' {link}/{_METADATA} 2>/dev/null | head -n 1"
        words = f'{environment.name} $(basename "$(readlink {link})") {_ENVIRONMENT} $({version})'
        lines.append(f'[ ! -L {link} ] || echo "{words}"')
    lines += _flag_lines(bundle)
    return "\n".join(lines) + "\n"


def _flag_lines(bundle: Bundle) -> Iterator[str]:
    """Yield what lists a broker's disabled feature flags where its series is to change.

    It takes seconds, so other upgrades do without. A broker that is down tells nothing; flags are
    the cluster's, so another one tells them.
    """
    wanted = next((p.version for p in bundle.lock.packages if p.name == BROKER), None)
    if wanted is None:
        return
    yield f"broker=$(dpkg-query -W -f '${{Version}}' {BROKER} 2>/dev/null || true)"
    yield f'case "${{broker#*:}}" in ""|{release_series(wanted)}.*) ;; *)'
    yield f"{{ {DISABLED_FLAGS}; }} 2>/dev/null | sed 's/$/ {_FLAG}/' || true ;;"
    yield "esac"


def release_series(version: str) -> str:
    """Return the series of RabbitMQ that a version is of, such as 4.0."""
    return ".".join(map(str, parsed_version(version)[:2]))


def _read(listing: str) -> Installed:
    rows = [line.split() for line in listing.splitlines()]
    return Installed(
        packages={row[0]: row[1] for row in rows if row[2:] == ["installed"]},
        environments={
            row[0]: (row[1], row[3] if len(row) > 3 else _UNKNOWN)
            for row in rows
            if len(row) > 2 and row[2] == _ENVIRONMENT
        },
        disabled_flags=tuple(row[0] for row in rows if row[1:] == [_FLAG]),
    )
