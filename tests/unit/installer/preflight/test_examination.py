"""What becomes of findings: verdicts, waivers, the table, and reports for programs."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from installer.errors import ConfigError, PreflightError, Problem
from installer.preflight.check import Check, Finding, warning
from installer.preflight.examination import (
    Examination,
    Verdict,
    demand_known,
    examine,
    listing,
    unreachable,
)
from installer.preflight.report import as_json, as_junit, counts, node_report, rows
from tests.support.preflight import healthy

REMEDY = "mend it"


def check(code, *findings, only=("node-1", "node-2", "node-3")):
    def find(subject, cluster):
        yield from findings if subject.wanted.name in only else ()

    return Check(code, f"{code} holds", find)


FINE = check("fine")
GRAVE = check("grave", Finding("it is broken", REMEDY), only=("node-2",))
SLIGHT = check("slight", warning("it is odd", REMEDY))


def examined(*checks, waived=()):
    return examine(checks, healthy(), set(waived))


def test_each_check_is_asked_of_each_node():
    found = examined(FINE, GRAVE, SLIGHT)

    assert {(r.code, r.node): r.verdict for r in found.results} == {
        **{("fine", f"node-{n}"): Verdict.OK for n in (1, 2, 3)},
        **{("slight", f"node-{n}"): Verdict.WARNING for n in (1, 2, 3)},
        ("grave", "node-1"): Verdict.OK,
        ("grave", "node-2"): Verdict.FAILED,
        ("grave", "node-3"): Verdict.OK,
    }


def test_an_error_forbids_the_work_and_a_warning_does_not():
    examined(FINE, SLIGHT).demand()

    with pytest.raises(PreflightError) as caught:
        examined(GRAVE, SLIGHT).demand()

    (problem,) = caught.value.problems
    assert (problem.where, problem.code, problem.remedy) == ("node-2", "grave", REMEDY)
    assert "--waive" in caught.value.__notes__[0]


def test_a_waived_error_forbids_nothing_and_is_still_told():
    found = examined(GRAVE, waived=["grave"])

    found.demand()
    assert rows(found) == [("waived", "grave", "node-2")]


def test_what_many_nodes_share_is_told_once():
    (problem,) = examined(SLIGHT).shared(Verdict.WARNING)

    assert problem.where == "node-1, node-2, node-3"


def test_many_nodes_are_counted():
    assert listing(f"n{number}" for number in range(9)) == "n0, n1, n2 and 6 more"
    assert listing("abcd") == "a, b, c, d"


def test_the_table_has_the_gravest_first_and_nothing_that_is_in_order():
    assert rows(examined(FINE, SLIGHT, GRAVE)) == [
        ("failed", "grave", "node-2"),
        ("warning", "slight", "node-1, node-2, node-3"),
    ]


def test_the_counts_are_words():
    assert counts(examined(FINE, GRAVE)) == "2 checks on 3 nodes: 5 ok, 1 failed"


def test_a_node_that_cannot_be_asked_forbids_the_work():
    lost = unreachable({"node-9": Problem(where="x", what="no route", remedy="look")})

    with pytest.raises(PreflightError) as caught:
        (lost | examined(FINE)).demand()

    (problem,) = caught.value.problems
    assert (problem.where, problem.code) == ("node-9", "node-unreachable")
    assert Examination(lost.results).nodes == ("node-9",)


def test_json_has_every_finding_and_the_numbers():
    told = json.loads(json.dumps(as_json(examined(FINE, GRAVE), 1.234)))

    assert told["seconds"] == 1.23
    assert told["counts"] == {"ok": 5, "failed": 1}
    assert told["findings"] == [
        {
            "node": "node-2",
            "where": "node-2",
            "code": "grave",
            "verdict": "failed",
            "what": "it is broken",
            "remedy": REMEDY,
        }
    ]


def test_junit_has_a_suite_for_each_node_and_a_case_for_each_check():
    root = ElementTree.fromstring(as_junit(examined(FINE, GRAVE, SLIGHT, waived=["slight"]), 1.0))

    suites = {suite.get("name"): suite for suite in root}
    assert [case.get("name") for case in suites["node-2"]] == ["fine", "grave", "slight"]
    assert suites["node-2"].get("failures") == "1"
    (failure,) = suites["node-2"].iter("failure")
    assert REMEDY in failure.text
    assert len(list(suites["node-1"].iter("skipped"))) == 1
    assert list(suites["node-1"].iter("failure")) == []


def test_a_nodes_report_lists_what_is_in_order_too():
    text = node_report(examined(FINE, GRAVE), "node-2")

    assert "ok       fine" in text
    assert "failed   grave" in text
    assert REMEDY in text
    assert REMEDY not in node_report(examined(FINE, GRAVE), "node-1")


def test_a_waiver_that_names_no_check_is_refused_with_the_nearest():
    demand_known(["grave"], {"grave", "fine"})

    with pytest.raises(ConfigError) as caught:
        demand_known(["grvae", "grave"], {"grave", "fine"})

    (problem,) = caught.value.problems
    assert "grvae" in problem.what
    assert "did you mean 'grave'" in problem.remedy
