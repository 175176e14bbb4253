"""An examination as text for a person, JSON, and JUnit's XML for a build server."""

from collections import Counter
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from installer.preflight.examination import Examination, Result, Verdict, listing

_NOTABLE = (Verdict.FAILED, Verdict.WARNING, Verdict.WAIVED)


def rows(examination: Examination) -> list[tuple[str, str, str]]:
    """Return (verdict, check, nodes) of each check that found anything, the gravest first."""
    found = []
    for verdict in _NOTABLE:
        by_code: dict[str, list[str]] = {}
        for result in examination.having(verdict):
            by_code.setdefault(result.code, []).append(result.node)
        found += [(str(verdict), code, listing(nodes)) for code, nodes in by_code.items()]
    return found


def counts(examination: Examination) -> str:
    """Return how many results ended how, in words."""
    number = Counter(result.verdict for result in examination.results)
    told = [f"{number[verdict]} {verdict}" for verdict in Verdict if number[verdict]]
    checks = len({result.code for result in examination.results})
    nodes = len(examination.nodes)
    return f"{_number(checks, 'check')} on {_number(nodes, 'node')}: {', '.join(told)}"


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"


def as_json(examination: Examination, seconds: float) -> dict[str, Any]:
    """Return everything but what is in order, and the numbers, as JSON values."""
    number = Counter(str(result.verdict) for result in examination.results)
    return {
        "nodes": list(examination.nodes),
        "seconds": round(seconds, 2),
        "counts": dict(number),
        "findings": [
            {
                "node": result.node,
                "where": problem.where,
                "code": problem.code,
                "verdict": str(result.verdict),
                "what": problem.what,
                "remedy": problem.remedy,
            }
            for result in examination.having(*_NOTABLE)
            for problem in result.problems
        ],
    }


def as_junit(examination: Examination, seconds: float) -> bytes:
    """Return one suite for each node and one case for each check, as build servers read them."""
    root = Element("testsuites", name="cfy_manager preflight", time=f"{seconds:.2f}")
    for node in examination.nodes:
        results = [result for result in examination.results if result.node == node]
        failed = sum(1 for result in results if result.verdict is Verdict.FAILED)
        suite = SubElement(
            root, "testsuite", name=node, tests=str(len(results)), failures=str(failed)
        )
        for result in results:
            _add_case(suite, result)
    indent(root)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _add_case(suite: Element, result: Result) -> None:
    case = SubElement(suite, "testcase", classname=result.node, name=result.code)
    text = "\n".join(f"{problem.what}\n{problem.remedy}" for problem in result.problems)
    match result.verdict:
        case Verdict.FAILED:
            SubElement(case, "failure", message=result.problems[0].what).text = text
        case Verdict.WAIVED:
            SubElement(case, "skipped", message=f"waived: {result.problems[0].what}")
        case Verdict.WARNING:
            SubElement(case, "system-out").text = text


def node_report(examination: Examination, node: str) -> str:
    """Return every check of one node, what is in order included."""
    lines = [f"Preflight of {node}", ""]
    for result in (result for result in examination.results if result.node == node):
        lines.append(f"{result.verdict:<8} {result.code:<28} {result.title}")
        for problem in result.problems:
            lines += [f"         {problem.what}", f"           → {problem.remedy}"]
    return "\n".join(lines) + "\n"
