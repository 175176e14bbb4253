"""Which warnings and checks an operator may waive by their codes, and which are waived."""

from collections.abc import Iterable, Iterator

from installer.config.model import Document
from installer.config.source import Finding
from installer.config.words import nearest
from installer.errors import Severity

# the families of the catalogue whose checks are waived by name, warnings or not
_CHECKS = ("preflight", "network")


def waiver_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each code of `waive` that is none, or is that of an error."""
    if not document["waive"]:
        return
    waivable, errors = _codes()
    for index, code in enumerate(document["waive"]):
        path = ("waive", index)
        if code in errors:
            what = f"{code} is an error: nothing works before it is corrected"
            yield Finding(path, what, "remove it, and correct the error", "unknown-waiver")
        elif code not in waivable:
            meant = nearest(code, waivable)
            remedy = f"did you mean `{meant}`?" if meant else "remove it"
            yield Finding(path, f"no warning has the code {code!r}", remedy, "unknown-waiver")


def not_waived(findings: Iterable[Finding], waived: Iterable[str]) -> Iterator[Finding]:
    """Yield the findings without the warnings of these codes."""
    codes = set(waived)
    for finding in findings:
        if finding.severity is Severity.ERROR or finding.code not in codes:
            yield finding


def _codes() -> tuple[frozenset[str], frozenset[str]]:
    """Return the codes that may be waived, and those of the rules that may not."""
    # imported here: most files waive nothing, and reading the catalogue takes milliseconds
    from installer.catalogue import families, family_data

    rules = family_data("rules")
    warnings = {code for code, entry in rules.items() if entry.get("waivable")}
    checks = [family_data(family) for family in families() if family in _CHECKS]
    return frozenset(warnings.union(*checks)), frozenset(rules.keys() - warnings)
