import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from installer.reporter import service
from installer.reporter.settings import NodeType, ReporterSettings, parse_settings
from installer.secrets import Secret


class FakeManager(BaseHTTPRequestHandler):
    """Takes reports like a manager; the runtime's own tests hold the real one to the same route."""

    refuse = False
    managers = ("127.0.0.1",)

    def do_PUT(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.taken.append((self.path, self.headers["API-Authentication-Token"], body))
        self._reply(500 if self.server.refuse else 200, {})

    def do_GET(self):
        self._reply(200, {"items": [{"private_ip": ip} for ip in self.server.managers]})

    def _reply(self, code, document):
        content = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def manager():
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeManager)
    server.taken, server.refuse, server.managers = [], False, ["127.0.0.1"]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def reporter(manager, monkeypatch):
    def make(**changes):
        values = {
            "tokens": {NodeType.DB: Secret("ctok-db")},
            "node_name": "db-1",
            "private_ip": "10.0.0.1",
            "node_id": "some-uuid",
            "managers_ips": ("127.0.0.1",),
            "ca_path": "/nowhere",
        }
        made = service.Reporter(ReporterSettings(**(values | changes)))
        return made

    port = manager.server_address[1]
    monkeypatch.setattr(service, "_base", lambda address: f"http://{address}:{port}/api/v3.1")
    report = {"status": "OK", "services": {}}
    monkeypatch.setattr(service, "collect_report", lambda settings, kind: report)
    return make


def test_a_report_goes_to_the_route_of_its_kind_with_its_token(manager, reporter):
    assert reporter().report_once()

    ((path, token, body),) = manager.taken
    assert path == "/api/v3.1/cluster-status/db/some-uuid"
    assert token == "ctok-db"
    assert body["report"] == {"status": "OK", "services": {}}
    assert body["node"] == {"name": "db-1", "private_ip": "10.0.0.1"}
    assert body["reporting_freq"] == 5
    assert len(body["timestamp"]) == len("20261121000000+0000")


def test_a_node_with_two_services_sends_two_reports(manager, reporter):
    tokens = {NodeType.DB: Secret("a"), NodeType.BROKER: Secret("b")}

    reporter(tokens=tokens).report_once()

    assert [(path.split("/")[4], token) for path, token, _ in manager.taken] == [
        ("db", "a"),
        ("broker", "b"),
    ]


def test_the_next_manager_is_tried_when_one_does_not_answer(manager, reporter):
    assert reporter(managers_ips=("127.0.0.99", "127.0.0.1")).report_once()


def test_a_report_that_nobody_takes_is_not_called_sent(manager, reporter):
    manager.refuse = True

    assert not reporter().report_once()


def test_the_list_of_managers_is_learned_and_the_answering_one_stays_first(manager, reporter):
    manager.managers = ["10.0.0.9", "127.0.0.1"]
    mine = reporter()

    mine.report_once()

    assert mine._settings.managers_ips == ("127.0.0.1", "10.0.0.9")


def test_settings_survive_their_file():
    settings = ReporterSettings(
        tokens={NodeType.BROKER: Secret("t")},
        node_name="mq-1",
        private_ip="10.0.0.2",
        node_id="id",
        managers_ips=("10.0.0.3",),
        ca_path="/ca",
        extra_config={"broker_node": "rabbit@mq-1"},
    )

    assert parse_settings(settings.to_document()) == settings


def test_nodes_that_start_at_once_report_at_different_moments(monkeypatch):
    monkeypatch.setattr(service.time, "monotonic", lambda: 1000.0)

    firsts = sorted(next(service.pauses(5)) for _ in range(100))

    assert firsts[0] >= 0
    assert firsts[-1] <= 5
    assert firsts[-1] - firsts[0] > 2.5


def test_reports_keep_their_period_whatever_one_of_them_takes(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(service.time, "monotonic", lambda: now[0])
    pauses = service.pauses(5)
    due = now[0] + next(pauses)

    now[0] = due + 0.7  # this report took so long
    assert next(pauses) == pytest.approx(4.3)
    now[0] = due + 12  # and this one longer than its period
    assert next(pauses) == 0
