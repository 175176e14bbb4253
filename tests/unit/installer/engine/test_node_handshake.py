"""What a node tells of the certificate that a port shows: real handshakes on loopback."""

import socket

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from installer.engine.agent import Agent, LocalStream, Request
from installer.engine.wire import command, read_reply
from tests.unit.installer.engine.test_network_trial import HOST, Trial
from tests.unit.installer.pki.makers import DAY, ca, leaf


@pytest.fixture(scope="module")
def agent():
    agent = Agent(LocalStream(command(sudo=False)))
    yield agent
    agent.close()


@pytest.fixture(scope="module")
def authority():
    return ca()


def shake_hands(agent, port, authority, pair=None):
    wish = {"address": HOST, "port": port, "start": "", "trial": False, "tls": {"name": None}}
    body = {
        "wishes": [{**wish, "pair": None if pair is None else 1, "trust": 0}],
        "pems": [authority.pem, pair or b""],
        "connect_s": 2.0,
        "answer_s": 2.0,
        "total_s": 5.0,
    }
    lines = agent.ask(Request("handshake", body, 30))
    (found,) = read_reply("db-1", lines, lines)
    return found


def pair_of(made):
    return made.pem + made.key_pem()


def der(made):
    return made.certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [({}, ""), ({"begins": -2 * DAY, "ends": -DAY}, "certificate has expired")],
)
def test_the_certificate_is_told_whether_a_client_accepts_it_or_not(
    agent, authority, recipe, words
):
    shown = leaf(authority, **recipe)
    trial = Trial(agent, pair_of(shown))
    trial.open()

    found = shake_hands(agent, trial.port, authority)

    assert found["certificate"] == der(shown)
    assert found["words"] == words
    trial.end()


def test_a_certificate_of_another_authority_is_told_and_refused(agent, authority):
    other = ca("Example Root")
    shown = leaf(other)
    trial = Trial(agent, pair_of(shown))
    trial.open()

    found = shake_hands(agent, trial.port, authority)

    assert found["certificate"] == der(shown)
    assert found["code"] != 0
    trial.end()


def test_a_port_that_demands_a_certificate_is_shown_the_node_s(agent, authority):
    shown = leaf(authority)
    trial = Trial(agent, pair_of(shown), authority.pem, demands=True)
    trial.open()

    found = shake_hands(agent, trial.port, authority, pair_of(shown))

    assert (found["certificate"], found["words"]) == (der(shown), "")
    assert trial.end() == []


def test_a_port_that_nobody_holds_is_told_as_refused(agent, authority):
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]

    found = shake_hands(agent, port, authority)

    assert (found["certificate"], found["why"]) == (None, "refused")
