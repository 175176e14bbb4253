"""One connection to a member of etcd."""

import http.client
import ssl

import pytest

from installer.roles.database.etcd_gateway import Etcd


class Connection:
    """Like http.client's: an answer that did not come ends what the connection is good for."""

    def __init__(self, *_: object, **__: object) -> None:
        self.is_waiting = False
        self.late = 1

    def request(self, *_: object) -> None:
        if self.is_waiting:
            raise http.client.CannotSendRequest
        self.is_waiting = True

    def getresponse(self) -> "Connection":
        if self.late:
            self.late -= 1
            raise TimeoutError("timed out")
        self.is_waiting = False
        return self

    status = http.client.OK

    def read(self) -> bytes:
        return b'{"members": []}'

    def close(self) -> None:
        self.is_waiting = False


def test_after_an_answer_that_did_not_come_the_next_call_connects_anew(monkeypatch):
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", lambda *_: None)
    monkeypatch.setattr(
        ssl, "create_default_context", lambda **_: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )
    monkeypatch.setattr(http.client, "HTTPSConnection", Connection)
    etcd = Etcd("10.0.0.11")

    with pytest.raises(TimeoutError):
        etcd.call("cluster/member/list", {})

    assert etcd.call("cluster/member/list", {}) == {"members": []}
