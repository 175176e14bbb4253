"""Tell what an install would change, from the same comparison that it applies; save it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from installer.actions.cluster import Cluster, open_cluster
from installer.actions.configuration import configuration_words, generated_names
from installer.actions.draft import draft
from installer.actions.on_drift import Decisions, OnDrift, decide
from installer.actions.options import RunOptions
from installer.actions.rollout import Survey, survey
from installer.engine.drift import Drifted
from installer.errors import Refused
from installer.expand.check import load_cluster, warning_lines
from installer.inventory import Inventory, runs_folder
from installer.plan.agreement import change_problems, configuration_problems, fact_problems
from installer.plan.document import (
    SavedPlan,
    cluster_problem,
    expiry_problem,
    load_plan,
    now_utc,
    save_plan,
)
from installer.plan.fingerprint import Fingerprint
from installer.plan.mask import Mask, make_mask, passing_mask, read_mask

VALID_HOURS = 24
_KEY = "plan.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What the operator asked of a plan."""

    options: RunOptions = field(default_factory=RunOptions)
    on_drift: OnDrift | None = None  # keep or overwrite
    with_content: bool = False
    output: Path | None = None
    valid_hours: float = VALID_HOURS


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, with what is only shown: the diffs of files, and what drifted."""

    plan: SavedPlan
    nodes: tuple[str, ...]
    diffs: Mapping[str, tuple[str, ...]]  # node → unified diffs, secrets masked
    drifts: Mapping[str, tuple[Drifted, ...]]
    output: Path | None


def plan_cluster(
    inventory_path: Path, request: PlanRequest, tell: Callable[[str], None]
) -> Planned:
    """Return what a run over an inventory would do; nothing is changed on any node.

    `tell` takes the warnings of the inventory, line by line, before any node is asked.
    """
    inventory = load_cluster(inventory_path)
    for line in warning_lines(inventory):
        tell(line)
    key = runs_folder(inventory) / _KEY
    mask = make_mask(key) if request.output else passing_mask()
    words = configuration_words(inventory, mask)
    cluster = open_cluster(inventory, save=False)
    with survey(cluster.jobs(), with_content=request.with_content) as seen:
        decisions = decide(seen, request.on_drift, _nobody)
        found = draft(cluster, seen, decisions, request.options, mask)
        limited = decisions.applied_to(seen).limited_to(request.options)
        differences = limited.differences()
        drifts = seen.drifts()
    created = now_utc()
    plan = SavedPlan(
        cluster=inventory.name,
        inventory=str(inventory.path),
        version=version("cfy-manager"),
        created=created,
        expires=created + timedelta(hours=request.valid_hours),
        changes=found.changes,
        fingerprint=Fingerprint(configuration=words, nodes=found.nodes),
        only=request.options.only,
        skip=request.options.skip,
        on_drift=request.on_drift.value if request.on_drift else "",
        generated=generated_names(words),
    )
    if request.output:
        save_plan(plan, mask, request.output)
    return Planned(
        plan=plan,
        nodes=tuple(differences),
        diffs={node: change.file_diffs() for node, change in differences.items()},
        drifts=drifts,
        output=request.output,
    )


def _nobody(node: str, file: Drifted) -> OnDrift:
    raise RuntimeError(f"a plan asks nobody: {node} {file.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A saved plan that an install must keep to."""

    plan: SavedPlan
    mask: Mask

    @property
    def on_drift(self) -> OnDrift | None:
        """Return what the plan does with files that a person changed."""
        return OnDrift(self.plan.on_drift) if self.plan.on_drift else None

    @property
    def options(self) -> RunOptions:
        """Return which phases the plan has."""
        return RunOptions(only=self.plan.only, skip=self.plan.skip)

    def demand(self, cluster: Cluster, seen: Survey, decisions: Decisions) -> None:
        """Raise Refused when the nodes, or what the run would do, are not as planned."""
        found = draft(cluster, seen, decisions, self.options, self.mask)
        planned = self.plan.fingerprint
        now = Fingerprint(nodes=found.nodes)
        problems = [*fact_problems(planned, now)]
        if problems := problems or [*change_problems(self.plan.changes, found.changes)]:
            raise Refused(*problems)


def open_promise(path: Path, inventory: Inventory) -> Promise:
    """Return a saved plan; raises Refused when it is not to be applied to this inventory now."""
    mask = read_mask(runs_folder(inventory) / _KEY)
    plan = load_plan(path, mask)
    assert mask is not None  # noqa: S101 - load_plan demands it
    checks = (cluster_problem(plan, inventory.name, path), expiry_problem(plan, now_utc(), path))
    problems = [problem for problem in checks if problem is not None]
    words = configuration_words(inventory, mask)
    if not problems:
        problems += configuration_problems(plan.fingerprint.configuration, words)
    if problems:
        raise Refused(*problems)
    return Promise(plan=plan, mask=mask)
