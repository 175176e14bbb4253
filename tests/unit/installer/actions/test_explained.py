"""A failure says its cause and what shows it; where none is known, what the services said last."""

from datetime import UTC, datetime

from installer.actions.explained import explained
from installer.catalogue import entry
from installer.engine.outcome import Diagnosis, Match
from installer.errors import Problem

PROBLEM = Problem(where="node-2", what="not reached: etcd has quorum", remedy="look")
JOURNAL = {"etcd.service": "\n".join(f"line {number}" for number in range(20))}


def match(code, line="evil"):
    moment = datetime(2026, 11, 21, 15, 4, 5, tzinfo=UTC)
    return Match(code=code, source="etcd.service", time=moment, line=line)


def test_the_cause_its_evidence_and_the_next_command_are_told():
    found = Diagnosis(matches=(match("port-taken", "bind: address already in use"),))

    told = explained("node-2", PROBLEM, found)

    assert told.code == "port-taken"
    assert entry("port-taken").title in told.details[0]
    assert told.details[1].endswith("etcd.service, 15:04:05 UTC: bind: address already in use")
    assert told.remedy.splitlines()[0] == "on node-2: ss -ltnp"


def test_what_explains_the_others_is_told_and_they_are_named():
    told = explained(
        "node-2", PROBLEM, Diagnosis(matches=(match("bad-certificate"), match("disk-full")))
    )

    assert told.code == "disk-full"
    assert told.details[-1] == "also      bad-certificate"


def test_the_journal_is_shown_where_no_cause_is_known():
    told = explained("node-2", PROBLEM, Diagnosis(journal=JOURNAL))

    assert told.code == ""
    assert told.remedy == "look"
    assert told.details[0] == "the journal of etcd.service ends with:"
    assert told.details[-1] == "  line 19"
    assert len(told.details) == 9


def test_the_journal_of_a_known_cause_is_shown_on_demand():
    found = Diagnosis(matches=(match("disk-full"),), journal=JOURNAL)

    assert "  line 19" not in explained("node-2", PROBLEM, found).details
    assert "  line 19" in explained("node-2", PROBLEM, found, verbose=True).details
