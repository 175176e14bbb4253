"""Check a cluster file together with the config.yaml files that it makes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from installer.cluster_secrets import provisional_secrets
from installer.config.certificates import certificate_findings
from installer.config.check import in_line_order, only_warnings
from installer.config.load import load_documents
from installer.config.rules import CONFIG_RULES
from installer.config.source import Finding
from installer.config.waivers import not_waived
from installer.expand.nodes import expand
from installer.inventory import Inventory, load_inventory


def load_cluster(path: Path) -> Inventory:
    """Return a cluster whose every node gets a valid config.yaml; writes and connects nothing.

    Raises ConfigError with every problem of the inventory, or else of what it makes.
    """
    inventory = load_inventory(path)
    told = {*inventory.waive, *(warning.code for warning in inventory.warnings)}
    findings = not_waived(dict.fromkeys(_node_findings(inventory)), told)
    problems = in_line_order(load_documents([path]), findings)
    return replace(inventory, warnings=(*inventory.warnings, *only_warnings(problems)))


def warning_lines(inventory: Inventory) -> list[str]:
    """Return one line for each warning, and one that tells where to read what to do."""
    lines = [f"{warning.where}: {warning.brief}" for warning in inventory.warnings]
    hint = f"`cfy_manager validate -i {inventory.path}` tells what to do about warnings."
    return [*lines, hint] if lines else []


def _node_findings(inventory: Inventory) -> Iterator[Finding]:
    """Yield what breaks a rule in a node's config.yaml, at the setting that it comes from."""
    nodes = expand(inventory, provisional_secrets(inventory.secrets_path), {})
    for inputs in nodes.values():
        findings = [
            *(finding for rule in CONFIG_RULES for finding in rule(inputs.config)),
            *certificate_findings(inputs.config, inputs.read),  # those that the settings bring
        ]
        for finding in findings:
            yield finding._replace(path=("settings", *finding.path))
