"""Check a cluster file together with the config.yaml files that it makes."""

from collections.abc import Iterator
from pathlib import Path

from installer.cluster_secrets import provisional_secrets
from installer.config.certificates import certificate_findings
from installer.config.check import in_line_order
from installer.config.load import load_documents
from installer.config.rules import CONFIG_RULES
from installer.config.source import Finding
from installer.errors import ConfigError
from installer.expand.nodes import expand
from installer.inventory import Inventory, load_inventory


def load_cluster(path: Path) -> Inventory:
    """Return a cluster whose every node gets a valid config.yaml; writes and connects nothing.

    Raises ConfigError with every problem of the inventory, or else of what it makes.
    """
    inventory = load_inventory(path)
    findings = tuple(dict.fromkeys(_node_findings(inventory)))
    if findings:
        raise ConfigError(*in_line_order(load_documents([path]), findings))
    return inventory


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
