"""Files of other managers, asked for by HTTP: found, absent, in part, or nobody there."""

import http.server
import ssl
import threading
import time
from dataclasses import replace

import pytest

from installer.pki.authority import LeafRequest, create_authority, issue_leaf
from manager.errors import NotFound, Unavailable
from manager.files.fetch import Fetcher
from manager.files.peers import HOP_HEADER, Peer, PeerFiles, PeerSilent, peer_files
from manager.files.tree import FileTree
from tests.unit.manager.files.archives import tar

ARCHIVE = "/resources/uploaded-blueprints/default_tenant/hello/hello.tar.gz"
CREDENTIALS = {"Execution-Token": "token", "Tenant": "default_tenant", "Cookie": "secret"}


class OtherManager(http.server.ThreadingHTTPServer):
    """A manager's file server: `files` by path; `asked` are the requests with their headers."""

    def __init__(self, certificate):
        self.files, self.asked, self.cut = {}, [], 0
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self._answer(has_body=False)

    def do_GET(self):
        self._answer(has_body=True)

    def _answer(self, *, has_body):
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        content = self.server.files.get(self.path)
        self.send_response(200 if content is not None else self.server.files.get("else", 404))
        content = content or b""
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if has_body:
            self.wfile.write(content[: len(content) - self.server.cut])

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    authority = create_authority("CA")
    leaf = issue_leaf(
        authority,
        LeafRequest(common_name="manager-2", dns_names=("manager-2",), addresses=("127.0.0.1",)),
    )
    (folder / "node.pem").write_bytes(leaf.certificate + leaf.key)
    (folder / "ca.crt").write_bytes(authority.certificate)
    return folder


@pytest.fixture
def other(pki):
    server = OtherManager(pki / "node.pem")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def files(other, pki):
    files = PeerFiles(pki / "ca.crt", other.server_port)
    yield files
    files._http.close()


@pytest.fixture
def fetcher(files, tmp_path):
    peer = Peer(hostname="manager-2", address="127.0.0.1")
    return Fetcher(
        tree=FileTree(tmp_path / "resources"), files=files, peers=(peer,), credentials=CREDENTIALS
    )


def test_an_archive_comes_from_the_manager_that_has_it(fetcher, other):
    other.files[ARCHIVE] = b"PACKED"

    path = fetcher.archive("default_tenant", "hello")

    assert path == fetcher.tree.archives("default_tenant", "hello") / "hello.tar.gz"
    assert path.read_bytes() == b"PACKED"
    assert list(fetcher.tree.incoming.iterdir()) == []
    other.asked.clear()
    assert fetcher.archive("default_tenant", "hello") == path
    assert other.asked == []


def test_the_other_manager_learns_who_asks_and_asks_nobody_itself(fetcher, other):
    other.files[ARCHIVE] = b"PACKED"

    fetcher.archive("default_tenant", "hello")

    for _, _, headers in other.asked:
        assert headers["Execution-Token"] == "token"
        assert headers["Tenant"] == "default_tenant"
        assert headers[HOP_HEADER] == "1"
        assert "Cookie" not in headers


def test_a_blueprints_folder_is_unpacked_where_it_is_absent(fetcher, other, tmp_path):
    other.files[ARCHIVE] = tar(tmp_path / "a", {"app/scripts/run.sh": b"run"}).read_bytes()

    folder = fetcher.blueprint("default_tenant", "hello")

    assert (folder / "scripts" / "run.sh").read_bytes() == b"run"
    other.asked.clear()
    assert fetcher.blueprint("default_tenant", "hello") == folder
    assert other.asked == []


def test_what_no_manager_has_is_not_found(fetcher):
    with pytest.raises(NotFound):
        fetcher.archive("default_tenant", "hello")


def test_what_arrives_in_part_is_not_kept(fetcher, other):
    other.files[ARCHIVE], other.cut = b"PACKED", 2

    with pytest.raises(Unavailable):
        fetcher.archive("default_tenant", "hello")

    assert fetcher.tree.archive("default_tenant", "hello") is None
    assert list(fetcher.tree.incoming.iterdir()) == []


def test_a_manager_that_wrote_and_is_away_is_waited_for_by_the_client(fetcher, other):
    """It may be the only one that has the file: 503, try again, and not 404."""
    other.shutdown()
    other.socket.close()

    with pytest.raises(NotFound):
        fetcher.archive("default_tenant", "hello")
    with pytest.raises(Unavailable):
        replace(fetcher, unsettled=frozenset({"manager-2"})).archive("default_tenant", "hello")


def test_a_manager_that_fails_is_like_one_that_is_away(fetcher, other):
    other.files["else"] = 502

    with pytest.raises(Unavailable):
        replace(fetcher, unsettled=frozenset({"manager-2"})).archive("default_tenant", "hello")


def test_a_silent_manager_is_not_asked_again_for_a_while(pki, monkeypatch):
    files = PeerFiles(pki / "ca.crt", 1)
    peer = Peer(hostname="manager-3", address="127.0.0.1")
    with pytest.raises(PeerSilent):
        files.open("x", peer, {})
    asked = []
    monkeypatch.setattr(files._http, "request", lambda *_, **__: asked.append(1))

    with pytest.raises(PeerSilent):
        files.open("x", peer, {})

    assert asked == []
    now = time.monotonic()
    monkeypatch.setattr("manager.files.peers.time.monotonic", lambda: now + 11)
    files._check(peer)


def test_a_certificate_of_another_name_is_not_believed(fetcher, other):
    other.files[ARCHIVE] = b"PACKED"
    stranger = Peer(hostname="manager-2", address="localhost")

    with pytest.raises(NotFound):
        replace(fetcher, peers=(stranger,)).archive("default_tenant", "hello")

    assert fetcher.tree.archive("default_tenant", "hello") is None


def test_an_ipv6_address_is_written_as_urls_have_it():
    assert Peer(hostname="m", address="fd00::1").url_host == "[fd00::1]"


def test_nginx_is_told_the_address_behind_a_name():
    """It looks no name up that comes with a request."""
    assert Peer(hostname="m", address="localhost").located().address in {"127.0.0.1", "::1"}
    assert Peer(hostname="m", address="fd00::1").located().address == "fd00::1"


def test_a_peer_whose_name_leads_nowhere_is_silent():
    with pytest.raises(PeerSilent, match="leads nowhere"):
        Peer(hostname="m", address="nobody.invalid").located()


def test_a_process_has_one_set_of_connections(pki):
    assert peer_files(pki / "ca.crt", 1) is peer_files(pki / "ca.crt", 1)
