"""Check config.yaml: its shape, then the rules between keys, every problem at once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from installer.config.certificates import certificate_findings
from installer.config.complete import complete
from installer.config.files import file_findings
from installer.config.load import load_documents, with_overrides
from installer.config.merge import keys_only, without
from installer.config.model import Document
from installer.config.rules import CONFIG_RULES
from installer.config.schema import config_schema, field_at
from installer.config.shape import shape_findings
from installer.config.source import Finding, Loaded, RuleTable
from installer.config.waivers import not_waived
from installer.errors import ConfigError, Problem, Severity


def _certificate_findings(document: Document) -> Iterator[Finding]:
    yield from certificate_findings(document, lambda path: Path(path).read_bytes())


FILE_RULES: RuleTable = {
    file_findings: (),
    _certificate_findings: ("services_to_install", "manager"),
}
DEFAULT_CONFIG = Path("/etc/cloudify/config.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A valid configuration, defaults filled in, and what is to be known of it."""

    config: dict[str, Any]
    warnings: tuple[Problem, ...]


def load_config(
    paths: Sequence[Path], overrides: Document, *, check_files: bool = True
) -> dict[str, Any]:
    """Return the configuration of this node: files merged left to right, defaults filled in.

    Without `check_files` the certificates and other files that it names may be gone or expired,
    as when a node is taken away. Raises ConfigError with every problem.
    """
    return check_config(paths, overrides, check_files=check_files).config


def check_config(
    paths: Sequence[Path], overrides: Document, *, check_files: bool = True
) -> Checked:
    """Return the configuration of this node and its warnings; see `load_config`."""
    loaded = with_overrides(load_documents(paths), overrides, "command line")
    warnings = only_warnings(config_problems(loaded, check_files=check_files))
    return Checked(config=complete(loaded.document), warnings=warnings)


def only_warnings(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return problems that are warnings, all of them.

    Raises ConfigError with every problem if one is an error.
    """
    found = tuple(problems)
    if any(problem.severity is Severity.ERROR for problem in found):
        raise ConfigError(*found)
    return found


def config_problems(loaded: Loaded, *, check_files: bool = True) -> Iterator[Problem]:
    """Yield every problem of a config.yaml, in the order of its lines."""
    rules = {**CONFIG_RULES, **(FILE_RULES if check_files else {})}
    findings = document_findings(loaded.document, config_schema(), rules, complete)
    yield from in_line_order(loaded, findings)


def document_findings(
    document: Document,
    schema: Document,
    rules: RuleTable,
    complete: Callable[[Document], Document],
) -> Iterator[Finding]:
    """Yield what breaks the schema, then what breaks a rule whose sections have the right shape.

    Warnings that the document waives are left out.
    """
    shape = {finding.path: finding for finding in shape_findings(document, schema)}
    yield from shape.values()
    broken = {path[0] for path in shape if field_at(schema, path)}  # an unknown key breaks nothing
    sound = complete(without(document, {keys_only(path) for path in shape}))
    for rule, sections in rules.items():
        if broken.isdisjoint(sections):
            yield from not_waived(rule(sound), sound["waive"])


def in_line_order(loaded: Loaded, findings: Iterable[Finding]) -> list[Problem]:
    """Return the problems of a document in the order of its lines, those of its text included."""
    problems = [*loaded.problems, *map(loaded.problem, findings)]
    return sorted(problems, key=lambda problem: (problem.file or "", problem.line or 0))
