"""Each thing that may be wrong with a network is told once, with whose it is."""

import pytest

from installer.errors import Severity
from installer.inventory import Role
from installer.links import Link, Service, Tls
from installer.preflight.network import (
    CODES,
    Attempt,
    Fault,
    Tried,
    matrix_document,
    matrix_rows,
    network_problems,
    network_results,
)
from installer.preflight.network.requests import BULK_BYTES
from installer.preflight.network.tried import Stage, Transfer

NODES = ("db-1", "db-2", "db-3")
PORTS = {2379: Service.ETCD, 2380: Service.ETCD_PEER}
FULL = Transfer(seconds=0.01, arrived_bytes=BULK_BYTES)
LOST = Transfer(seconds=1.5, arrived_bytes=0, is_whole=False)
SILENT = Fault(stage=Stage.CONNECT, why="silence", words="no answer within 2 s")
REFUSED = Fault(stage=Stage.CONNECT, why="refused", words="Connection refused")
STALLED = Fault(stage=Stage.TLS, why="silence", words="the handshake stalled")


def link_of(source, target, port=2379, **changes):
    values = {
        "source": source,
        "source_role": Role.DATABASE,
        "target": target,
        "target_role": Role.DATABASE,
        "address": f"10.0.0.{target[-1]}",
        "port": port,
        "service": PORTS.get(port, Service.POSTGRESQL),
        "tls": Tls(trust=None, server_name=target),
    }
    return Link(**(values | changes))


def good(source, target, port=2379):
    return Attempt(
        link=link_of(source, target, port), is_trial=True, rtt_s=0.0004, up=FULL, down=FULL
    )


def tried(change=lambda attempt: attempt, nodes=NODES, **more):
    """All pairs of nodes over both ports; `change` breaks some."""
    attempts = tuple(
        change(good(source, target, port))
        for source in nodes
        for target in nodes
        for port in PORTS
        if source != target
    )
    return Tried(nodes=tuple(nodes), attempts=attempts, **more)


def broken(fault, *pairs, ports=tuple(PORTS), **changes):
    """Break the links of these pairs."""

    def change(attempt):
        link = attempt.link
        if (link.source, link.target) in pairs and link.port in ports:
            values = {"up": None, "down": None, "rtt_s": None} | changes
            return Attempt(link=link, is_trial=True, fault=fault, **values)
        return attempt

    return change


def told(found):
    return [(problem.code, problem.where) for problem in network_problems(found)]


BOTH = (("db-1", "db-2"), ("db-2", "db-1"))
ALL_OF_DB_1 = tuple(pair for n in NODES[1:] for pair in (("db-1", n), (n, "db-1")))


def test_a_network_in_order_has_no_findings():
    assert network_problems(tried()) == ()


def test_a_cut_pair_is_one_finding_with_all_its_ports():
    (problem,) = network_problems(tried(broken(SILENT, *BOTH)))

    assert (problem.code, problem.where) == ("port-unreachable", "db-1 ↔ db-2")
    assert "2379 (etcd), 2380 (etcd peer): no answer" in problem.what


def test_a_dropped_port_is_a_finding_of_that_port_alone():
    pairs = (("db-1", "db-3"), ("db-2", "db-3"))

    problems = network_problems(tried(broken(SILENT, *pairs, ports=(2380,))))

    assert {problem.where for problem in problems} == {"db-1 → db-3", "db-2 → db-3"}
    assert {problem.what for problem in problems} == {"port 2380 (etcd peer): no answer"}


def test_one_way_that_is_closed_is_asymmetric():
    problems = network_problems(tried(broken(SILENT, ("db-1", "db-2"))))

    assert [(p.code, p.where) for p in problems] == [("asymmetric", "db-1 → db-2")]


def test_a_node_that_nobody_reaches_is_one_finding():
    assert told(tried(broken(SILENT, *ALL_OF_DB_1))) == [("node-isolated", "db-1")]


def test_two_nodes_that_miss_each_other_are_a_pair_and_not_isolated():
    found = tried(broken(SILENT, *BOTH), nodes=("db-1", "db-2"))

    assert told(found) == [("port-unreachable", "db-1 ↔ db-2")]


def test_a_refusal_though_our_listener_is_there_is_a_firewall():
    (problem,) = network_problems(tried(broken(REFUSED, ("db-1", "db-2"), ports=(2379,))))

    assert problem.code == "port-unreachable"
    assert "refused by a firewall" in problem.what
    assert "db-2" in problem.remedy


@pytest.mark.parametrize(
    ("why", "words"), [("no route", "add the route on db-1"), ("forbidden", "rules of db-1")]
)
def test_the_remedy_says_where_to_look(why, words):
    fault = Fault(stage=Stage.CONNECT, why=why, words="...")

    (problem,) = network_problems(tried(broken(fault, ("db-1", "db-2"), ports=(2379,))))

    assert words in problem.remedy


def tls(code, *, by_target=False, words="certificate verify failed"):
    return Fault(stage=Stage.TLS, why="fault", words=words, code=code, by_target=by_target)


TO_DB_1 = tuple((name, "db-1") for name in NODES[1:])


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (19, "tls-untrusted"),
        (20, "tls-untrusted"),
        (62, "tls-name"),
        (64, "tls-name"),
        (10, "tls-expired"),
    ],
)
def test_a_bad_certificate_of_a_service_is_a_finding_of_its_node(code, expected):
    (problem,) = network_problems(tried(broken(tls(code), *TO_DB_1)))

    assert (problem.code, problem.where) == (expected, "db-1")
    assert "db-2 and db-3" in problem.what


def test_a_bad_certificate_of_a_client_is_a_finding_of_the_client():
    away = tuple(pair[::-1] for pair in TO_DB_1)

    (problem,) = network_problems(tried(broken(tls(20, by_target=True), *away)))

    assert (problem.code, problem.where) == ("tls-untrusted", "db-1")


@pytest.mark.parametrize("code", [20, 10])
def test_a_node_that_refuses_all_others_is_the_one_to_look_at(code):
    """It trusts another CA, or its clock is ahead."""
    refuses = broken(tls(code), *(pair[::-1] for pair in TO_DB_1))
    is_refused = broken(tls(code, by_target=True), *TO_DB_1)

    (problem,) = network_problems(tried(lambda attempt: is_refused(refuses(attempt))))

    assert problem.where == "db-1"
    assert problem.what.startswith(("it does not trust", "by its clock"))


def test_a_certificate_of_the_future_for_everybody_is_its_holders():
    (problem,) = network_problems(tried(broken(tls(9), *TO_DB_1)))

    assert (problem.code, problem.where) == ("tls-not-yet-valid", "db-1")
    assert "issue it again" in problem.remedy


def test_a_certificate_of_the_future_is_a_finding_of_the_clock_that_is_behind():
    behind = broken(tls(9), *(pair[::-1] for pair in TO_DB_1))
    refused = broken(tls(9, by_target=True), *TO_DB_1)

    (problem,) = network_problems(tried(lambda attempt: refused(behind(attempt))))

    assert (problem.code, problem.where) == ("tls-not-yet-valid", "db-1")
    assert "timedatectl" in problem.remedy


def test_another_failure_of_the_handshake_says_its_words():
    fault = tls(0, words="wrong version number")

    (problem,) = network_problems(tried(broken(fault, ("db-1", "db-2"), ports=(2379,))))

    assert (problem.code, problem.where) == ("tls-handshake", "db-1 → db-2")
    assert "wrong version number" in problem.what


def test_large_packets_that_are_lost_on_a_way_are_a_black_hole():
    found = tried(broken(None, ("db-1", "db-2"), ports=(2379,), rtt_s=0.001, up=LOST))

    (problem,) = network_problems(found)

    assert (problem.code, problem.where) == ("mtu-black-hole", "db-1 ↔ db-2")
    assert "from db-1 to db-2" in problem.what


def test_handshakes_that_stall_for_their_size_are_the_black_hole_alone():
    """A certificate is larger than a small packet: where the hole is, no handshake ends."""
    found = tried(broken(STALLED, *ALL_OF_DB_1, up=LOST, down=FULL))

    assert told(found) == [("mtu-black-hole", "db-1")]


def test_a_handshake_that_stalls_while_data_pass_is_told_as_it_is():
    found = tried(broken(STALLED, ("db-1", "db-2"), ports=(2379,), up=FULL, down=FULL))

    assert told(found) == [("tls-handshake", "db-1 → db-2")]


def test_late_answers_are_a_warning():
    found = tried(broken(None, *BOTH, rtt_s=0.12, up=FULL, down=FULL))

    (problem,) = network_problems(found)

    assert (problem.code, problem.where) == ("slow-link", "db-1 ↔ db-2")
    assert problem.severity is Severity.WARNING
    assert "120 ms" in problem.what


def test_a_node_with_a_thin_cable_is_one_warning():
    thin = Transfer(seconds=1.5, arrived_bytes=BULK_BYTES // 2, is_whole=False)

    found = tried(broken(None, *ALL_OF_DB_1, rtt_s=0.001, up=thin, down=FULL))

    (problem,) = network_problems(found)
    assert (problem.code, problem.where) == ("slow-link", "db-1")
    assert "kbit/s" in problem.what


def external(fault, source="manager-1"):
    link = link_of(source, "db.example.com", 5432, is_external=True, address="db.example.com")
    return Attempt(link=link, is_trial=False, fault=fault)


def test_an_external_service_out_of_reach_is_one_finding_for_all_managers():
    attempts = tuple(external(SILENT, source) for source in ("manager-1", "manager-2"))

    (problem,) = network_problems(Tried(nodes=("manager-1", "manager-2"), attempts=attempts))

    assert problem.code == "port-unreachable"
    assert problem.where == "manager-1, manager-2 → db.example.com:5432"


def test_a_name_without_an_address_is_told_with_who_does_not_know_it():
    fault = Fault(stage=Stage.NAME, why="no address", words="Name or service not known")

    (problem,) = network_problems(Tried(nodes=("manager-1",), attempts=(external(fault),)))

    assert (problem.code, problem.where) == ("external-name-unresolved", "manager-1")


def test_ports_that_cannot_be_opened_are_told_by_reason():
    unopened = {("db-1", 2379): "Permission denied", ("db-1", 2380): "Permission denied"}

    (problem,) = network_problems(tried(unopened=unopened))

    assert (problem.code, problem.where) == ("port-unbindable", "db-1")
    assert "2379 2380" in problem.what


def test_what_a_check_of_the_node_tells_is_not_told_again():
    found = tried(broken(SILENT, *BOTH), unopened={("db-3", 2379): "no such address"})

    assert network_problems(found.without(found.attempts)) == ()


def test_every_problem_begins_with_the_node_that_has_it():
    faults = [SILENT, REFUSED, STALLED, tls(20), tls(9), tls(0)]
    found = [tried(broken(fault, *pairs)) for fault in faults for pairs in (BOTH, ALL_OF_DB_1)]
    found.append(Tried(nodes=("manager-1", "manager-2"), attempts=(external(SILENT),)))

    for each in found:
        results = network_results(each, ()).results
        told = [problem for result in results for problem in result.problems]
        assert len(told) == len(network_problems(each)) > 0


def test_a_waived_code_forbids_nothing():
    examined = network_results(tried(broken(SILENT, *BOTH)), {"port-unreachable"})

    assert not examined.has_failed


def test_every_code_that_is_told_is_listed():
    faults = [SILENT, REFUSED, tls(20), tls(62), tls(10), tls(9), tls(0)]

    codes = {code for fault in faults for code, _ in told(tried(broken(fault, *BOTH)))}

    assert codes <= set(CODES)


def test_the_table_has_round_trips_and_the_ports_that_failed():
    found = tried(broken(SILENT, ("db-1", "db-2"), ports=(2380,)))

    rows = matrix_rows(found)

    assert rows[0] == ["from \\ to", *NODES]
    assert rows[1] == ["db-1", "-", "✗ 2380", "0.40"]
    assert rows[2] == ["db-2", "0.40", "-", "0.40"]


def test_the_table_tells_what_was_not_tried_and_what_is_not_needed():
    attempts = (good("db-1", "db-2"),)

    rows = matrix_rows(Tried(nodes=NODES, attempts=attempts, skipped=(link_of("db-2", "db-1"),)))

    assert rows[1] == ["db-1", "-", "0.40", "·"]
    assert rows[2] == ["db-2", "?", "-", "·"]


def test_external_targets_are_columns_behind_the_nodes():
    rows = matrix_rows(Tried(nodes=("manager-1",), attempts=(external(SILENT),)))

    assert rows == [["from \\ to", "manager-1", "db.example.com"], ["manager-1", "-", "✗ 5432"]]


def test_the_document_has_every_attempt():
    document = matrix_document(tried(broken(SILENT, ("db-1", "db-2"), ports=(2380,))))

    assert len(document["links"]) == 12
    (failed,) = [link for link in document["links"] if not link["ok"]]
    assert (failed["source"], failed["target"], failed["port"]) == ("db-1", "db-2", 2380)
    assert failed["fault"] == "connect: no answer within 2 s"
