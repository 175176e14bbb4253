"""Check config.yaml: its shape, then the rules between keys, every problem at once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from installer.config.complete import complete
from installer.config.files import file_findings
from installer.config.load import load_documents, with_overrides
from installer.config.merge import keys_only, without
from installer.config.model import Document
from installer.config.rules import CONFIG_RULES
from installer.config.schema import config_schema, field_at
from installer.config.shape import shape_findings
from installer.config.source import Finding, Loaded, RuleTable
from installer.errors import ConfigError, Problem

DEFAULT_CONFIG = Path("/etc/cloudify/config.yaml")


def load_config(paths: Sequence[Path], overrides: Document) -> dict[str, Any]:
    """Return the configuration of this node: files merged left to right, defaults filled in.

    Raises ConfigError with every problem of the files.
    """
    loaded = with_overrides(load_documents(paths), overrides, "command line")
    if problems := tuple(config_problems(loaded)):
        raise ConfigError(*problems)
    return complete(loaded.document)


def config_problems(loaded: Loaded) -> Iterator[Problem]:
    """Yield every problem of a config.yaml, in the order of its lines."""
    rules = {**CONFIG_RULES, file_findings: ()}
    findings = document_findings(loaded.document, config_schema(), rules, complete)
    yield from in_line_order(loaded, findings)


def document_findings(
    document: Document,
    schema: Document,
    rules: RuleTable,
    complete: Callable[[Document], Document],
) -> Iterator[Finding]:
    """Yield what breaks the schema, then what breaks a rule whose sections have the right shape."""
    shape = {finding.path: finding for finding in shape_findings(document, schema)}
    yield from shape.values()
    broken = {path[0] for path in shape if field_at(schema, path)}  # an unknown key breaks nothing
    sound = complete(without(document, {keys_only(path) for path in shape}))
    for rule, sections in rules.items():
        if broken.isdisjoint(sections):
            yield from rule(sound)


def in_line_order(loaded: Loaded, findings: Iterable[Finding]) -> list[Problem]:
    """Return the problems of a document in the order of its lines, those of its text included."""
    problems = [*loaded.problems, *map(loaded.problem, findings)]
    return sorted(problems, key=lambda problem: (problem.file or "", problem.line or 0))
