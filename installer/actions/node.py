"""Install one node by itself, from its config.yaml, through the same stages as a cluster's."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from installer.actions.install import journaled
from installer.actions.installed import STATE, Installed, add_installed
from installer.actions.node_mark import hold_node
from installer.actions.options import RunOptions
from installer.actions.preflight import admit, lone_wanted
from installer.actions.rollout import Look, NodeJob, roll_out, survey
from installer.actions.run_log import logged_to
from installer.bundle.model import load_bundle
from installer.bundle.use import bundle_stages
from installer.config.check import load_config
from installer.config.model import Document, NodeInputs
from installer.engine.target import Target
from installer.events import Outcome
from installer.expand.local import local_node
from installer.phases import PhaseResult
from installer.preflight.codes import CODES
from installer.preflight.examination import demand_known
from installer.report import Report

SECRETS = STATE / "secrets.yaml"
LOGS = Path("/var/log/cloudify/manager")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInstalled:
    """What a run on this node did."""

    config: Document
    results: tuple[PhaseResult, ...]
    log_path: Path

    @property
    def changes(self) -> int:
        """Return how many things were changed."""
        return sum(len(result.changes) for result in self.results)

    @property
    def waits_for_peers(self) -> bool:
        """Tell whether something is left to the installation of the cluster's other nodes."""
        return any(result.outcome is Outcome.DEFERRED for result in self.results)


def install_node(
    paths: Sequence[Path], overrides: Mapping[str, Any], options: RunOptions, report: Report
) -> NodeInstalled:
    """Bring this host to the state that its config.yaml describes; again changes nothing."""
    demand_known(options.waived, CODES)
    config = load_config(paths, overrides)
    with (
        hold_node("install"),
        logged_to(LOGS, "install") as log_path,
        journaled(STATE / "journal.jsonl", report) as notify,
    ):
        add_installed(config, STATE)
        node = local_node(config, STATE)
        job = replace(local_job(node.inputs), files=node.files)
        with survey([job], look=_admission(node.inputs, options, report)) as seen:
            results = roll_out(seen, options, notify)
    return NodeInstalled(config=node.inputs.config, results=results, log_path=log_path)


def _admission(inputs: NodeInputs, options: RunOptions, report: Report) -> Look | None:
    """Return what asks every check first, unless config.yaml skips validations."""
    config = inputs.config
    if config["validations"]["skip_validations"]:
        return None
    waived = {*options.waived, *config["waive"]}
    return lambda engine: admit(engine, lone_wanted(config), waived, report.tell).node_facts()


def node_inputs(installed: Installed) -> NodeInputs:
    """Return this host's inputs: its configuration with what was made for it, and its disk."""
    return local_node(installed.config, STATE).inputs


def local_job(inputs: NodeInputs) -> NodeJob:
    """Return the work on this host; packages come from the bundle if config.yaml names one."""
    path = inputs.config["bundle"]["path"]
    bundle = load_bundle(Path(path)) if path else None
    services = inputs.config["services_to_install"]
    roles = tuple(service.removesuffix("_service") for service in services)
    return NodeJob(
        target=Target(name=inputs.name),
        inputs=inputs,
        toolkit=functools.partial(bundle_stages, bundle, roles, folder=path),
    )
