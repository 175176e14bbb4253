"""What the nodes do for the network matrix: real listeners, handshakes and refusals on loopback."""

import os
import socket
import ssl
import threading
import time
from datetime import timedelta

import pytest

from installer.engine.agent import Agent, LocalStream, Request
from installer.engine.wire import command, read_reply
from tests.unit.installer.pki.makers import DAY, Recipe, ca, make

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def authority():
    return ca()


@pytest.fixture(scope="module")
def agent():
    agent = Agent(LocalStream(command(sudo=False)))
    yield agent
    agent.close()


def told(agent, program, body):
    lines = agent.ask(Request(program, body, 30))
    return read_reply("db-1", lines, lines)


def pair_of(authority, **changes):
    made = make(Recipe(**({"name": "db-1", "hosts": (HOST,)} | changes)), authority)
    return made.pem + made.key_pem()


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Trial:
    """One listener and the connections to it."""

    def __init__(self, agent, server, trust=None, *, demands=False, deadline_s=20):
        self.agent, self.port, self.token = agent, free_port(), os.urandom(8).hex()
        pems = [pem for pem in (server, trust) if pem]
        self.listen = {
            "token": self.token,
            "deadline_s": deadline_s,
            "pems": pems,
            "ports": [
                {
                    "port": self.port,
                    "bind": HOST,
                    "pair": 0 if server else None,
                    "trust": 1 if trust else None,
                    "is_demanding": demands,
                }
            ],
        }

    def open(self):
        return told(self.agent, "listen", self.listen)

    def connect(self, trust=None, pair=None, *, name=HOST, is_tls=True, **changes):
        tls = {
            "trust": None if trust is None else 0,
            "pair": None if pair is None else 1,
            "name": name,
        }
        wish = {
            "address": HOST,
            "port": self.port,
            "trial": True,
            "start": "",
            "bulk": True,
            "tls": tls if is_tls else None,
        }
        body = {
            "wishes": [wish | changes],
            "pems": [trust or b"", pair or b""],
            "connect_s": 1.0,
            "answer_s": 1.0,
            "refusal_s": 0.15,
            "bulk_s": 1.0,
            "bulk_bytes": 65536,
            "again_s": 1.0,
            "again_bytes": 16384,
            "total_s": 5.0,
        }
        (found,) = told(self.agent, "connect", body)
        return found

    def end(self):
        return told(self.agent, "listen-end", {"token": self.token})

    def is_open(self):
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0


def within_s(limit_s, condition):
    deadline = time.monotonic() + limit_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_both_sides_of_a_link_agree_and_data_pass_both_ways(agent, authority):
    trial = Trial(agent, pair_of(authority), authority.pem, demands=True)

    states = trial.open()
    found = trial.connect(authority.pem, pair_of(authority))

    assert states == {trial.port: "open"}
    assert found["stage"] == ""
    assert 0 < found["rtt_s"] < 0.1
    assert found["first_byte_s"] > 0
    assert found["bulk"]["up"][1] == found["bulk"]["down"][1] == 65536
    assert trial.end() == []


def test_a_port_without_tls_is_only_reached(agent):
    trial = Trial(agent, None)

    trial.open()
    found = trial.connect(is_tls=False)

    assert found["stage"] == ""
    assert found["bulk"]["down"][1] == 65536


def test_a_listener_goes_when_it_is_told_to(agent, authority):
    trial = Trial(agent, pair_of(authority))
    trial.open()
    assert trial.is_open()

    trial.end()

    assert within_s(5, lambda: not trial.is_open())


def test_a_listener_goes_when_the_controller_is_gone(authority):
    """A killed controller takes its SSH connections with it, and those the agent's stdin."""
    agent = Agent(LocalStream(command(sudo=False)))
    trial = Trial(agent, pair_of(authority))
    trial.open()
    assert trial.is_open()

    agent.close()

    assert within_s(5, lambda: not trial.is_open())


def test_a_listener_goes_at_its_deadline(agent, authority):
    """A controller whose network is gone closes nothing."""
    trial = Trial(agent, pair_of(authority), deadline_s=0.5)
    trial.open()

    assert within_s(5, lambda: not trial.is_open())
    assert trial.end() == []


def test_an_agent_answers_on_while_its_listener_stands(agent, authority):
    trial = Trial(agent, pair_of(authority))
    trial.open()

    assert told(agent, "script", {"script": "echo on", "secrets": {}, "timeout_s": 5})["code"] == 0


def test_a_port_that_somebody_holds_is_taken(agent):
    trial = Trial(agent, None)
    with socket.socket() as holder:
        holder.bind((HOST, trial.port))
        holder.listen()

        assert trial.open() == {trial.port: "taken"}


def test_an_address_of_another_node_cannot_be_listened_on(agent):
    trial = Trial(agent, None)
    trial.listen["ports"][0]["bind"] = "192.0.2.1"

    assert trial.open() == {trial.port: "no such address"}


def test_a_closed_port_refuses(agent):
    found = Trial(agent, None).connect(is_tls=False)

    assert (found["stage"], found["why"]) == ("connect", "refused")


def test_a_name_that_nobody_knows_has_no_address(agent):
    found = Trial(agent, None).connect(is_tls=False, address="db-1.invalid")

    assert (found["stage"], found["why"]) == ("name", "no address")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"hosts": ("192.0.2.7",)}, 64),
        ({"ends": -timedelta(hours=1), "begins": -DAY}, 10),
        ({"begins": DAY}, 9),
    ],
)
def test_a_certificate_that_does_not_hold_is_told_by_its_code(agent, authority, changes, code):
    trial = Trial(agent, pair_of(authority, **changes))

    trial.open()
    found = trial.connect(authority.pem)

    assert (found["stage"], found["why"], found["code"]) == ("tls", "fault", code)


def test_a_certificate_of_another_ca_is_not_trusted(agent, authority):
    trial = Trial(agent, pair_of(ca("Stranger")))

    trial.open()

    assert trial.connect(authority.pem)["code"] in (18, 19, 20, 21)


def test_a_refused_client_is_told_by_the_side_that_refused(agent, authority):
    trial = Trial(agent, pair_of(authority), authority.pem, demands=True)
    trial.open()

    found = trial.connect(authority.pem, pair_of(ca("Stranger")))
    (refusal,) = trial.end()

    assert (found["stage"], found["why"]) == ("tls", "fault")
    assert tuple(refusal[:2]) == tuple(found["own"])
    assert refusal[2] in (18, 19, 20, 21)


def test_a_client_without_the_demanded_certificate_is_refused(agent, authority):
    trial = Trial(agent, pair_of(authority), authority.pem, demands=True)
    trial.open()

    found = trial.connect(authority.pem)

    assert (found["stage"], found["why"]) == ("tls", "fault")
    assert "certificate required" in found["words"]


def test_a_pinned_certificate_may_have_any_name(agent, authority):
    trial = Trial(agent, pair_of(authority, hosts=("elsewhere",)))
    trial.open()

    assert trial.connect(name=None)["stage"] == ""


class Foreign:
    """A process that is not ours and holds the trial's port."""

    def __init__(self, port, answer, context=None):
        self._context = context
        self._socket = socket.create_server((HOST, port))
        self._answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        try:
            while True:
                stream, _ = self._socket.accept()
                with self._secured(stream) as stream:
                    if self._context is None:
                        stream.recv(4096)
                    self._answer(stream)
        except OSError:
            return

    def _secured(self, stream):
        return self._context.wrap_socket(stream, server_side=True) if self._context else stream

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()


def test_a_service_that_speaks_no_tls_is_a_fault(agent, authority):
    trial = Trial(agent, None)

    with Foreign(trial.port, lambda stream: stream.sendall(b"220 mail\r\n")):
        found = trial.connect(authority.pem, trial=False)

    assert (found["stage"], found["why"]) == ("tls", "fault")


def test_a_database_without_tls_says_so(agent, authority):
    trial = Trial(agent, None)

    with Foreign(trial.port, lambda stream: stream.sendall(b"N")):
        found = trial.connect(authority.pem, trial=False, start="postgresql")

    assert found["words"] == "the server offers no TLS"


def test_a_side_that_says_nothing_is_silence_and_not_waited_for(agent, authority):
    trial = Trial(agent, None)

    with Foreign(trial.port, lambda stream: time.sleep(3)):
        began = time.monotonic()
        found = trial.connect(authority.pem, trial=False)

    assert (found["stage"], found["why"]) == ("tls", "silence")
    assert time.monotonic() - began < 2.5


def test_an_external_database_is_asked_as_its_clients_do(agent, authority, tmp_path):
    (tmp_path / "pair.pem").write_bytes(pair_of(authority))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "pair.pem")
    trial = Trial(agent, None)

    def agree(stream):
        stream.sendall(b"S")
        with context.wrap_socket(stream, server_side=True) as secured:
            secured.recv(1)  # until the client is content

    with Foreign(trial.port, agree):
        known = trial.connect(authority.pem, trial=False, bulk=False, start="postgresql")
        unknown = trial.connect(ca("Else").pem, trial=False, bulk=False, start="postgresql")

    assert known["stage"] == ""
    assert known["rtt_s"] > 0
    assert unknown["code"] in (18, 19, 20, 21)


def test_a_service_that_pins_certificates_may_hang_up_after_the_handshake(
    agent, authority, tmp_path
):
    """Syncthing does so to whoever says no hello."""
    (tmp_path / "pair.pem").write_bytes(pair_of(authority))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "pair.pem")
    trial = Trial(agent, None)

    with Foreign(trial.port, lambda stream: None, context):
        pinned = trial.connect(name=None, trial=False, bulk=False)
        named = trial.connect(authority.pem, trial=False, bulk=False)

    assert pinned["stage"] == ""
    assert (named["stage"], named["words"]) == ("tls", "the other side hung up")
