"""A failure says its cause and what shows it; where none is known, what the services said last."""

from datetime import UTC, datetime

from installer.actions.explained import explained
from installer.catalogue import entry
from installer.engine.outcome import Diagnosis, Match
from installer.errors import Problem

PROBLEM = Problem(where="node-2", what="not reached: etcd has quorum", remedy="look")
JOURNAL = {"etcd.service": "\n".join(f"line {number}" for number in range(20))}


def match(code, line="evil", source="etcd.service"):
    moment = datetime(2026, 11, 21, 15, 4, 5, tzinfo=UTC)
    return Match(code=code, source=source, time=moment, line=line)


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


def test_what_the_step_itself_says_comes_before_what_is_found_elsewhere():
    """The runtime refused its configuration, and syncthing's key was blamed."""
    words = (
        "failed with exit 3: /opt/manager/manager.yaml: rabbitmq.vhost: unknown key / → remove it"
    )
    problem = Problem(where="node-2", what=words, remedy="look")
    found = (
        match("certificate-unreadable", "certificate key.pem cannot be read", "host"),
        match("service-refuses-its-configuration", words, "said"),
    )

    told = explained("node-2", problem, Diagnosis(matches=found))

    assert told.code == "service-refuses-its-configuration"
    assert "rabbitmq.vhost: unknown key" in told.details[1]


def test_a_unit_that_does_not_run_is_heard_before_one_that_does():
    found = (match("disk-full", source="nginx.service"), match("port-taken"))

    told = explained("node-2", PROBLEM, Diagnosis(matches=found, failing=("etcd.service",)))

    assert told.code == "port-taken"


def test_a_cause_elsewhere_is_told_before_what_only_follows_from_it():
    """Patroni does not run because etcd, which runs, is out of space."""
    follows = match("patroni-no-etcd", source="patroni.service")
    cause = match("etcd-space-exceeded")

    told = explained(
        "node-2", PROBLEM, Diagnosis(matches=(follows, cause), failing=("patroni.service",))
    )

    assert told.code == "etcd-space-exceeded"


def test_the_evidence_is_what_the_host_shows():
    """It names who holds a port; the service only says that it is held."""
    found = (match("port-taken", "in use"), match("port-taken", "held by nginx", "host"))

    told = explained("node-2", PROBLEM, Diagnosis(matches=found, failing=("etcd.service",)))

    assert told.details[1].endswith(": held by nginx")


def test_the_evidence_is_of_the_unit_that_does_not_run():
    found = (
        match("disk-full", "old", "said"),
        match("disk-full", "why"),
        match("disk-full", "other", "nginx.service"),
    )

    told = explained("node-2", PROBLEM, Diagnosis(matches=found, failing=("etcd.service",)))

    assert told.details[1].endswith(": why")


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
