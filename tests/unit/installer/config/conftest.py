"""A folder with certificates, good ones and others with one defect each, and no network."""

import socket
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from installer.pki import authority as authority_module
from installer.pki.authority import create_authority, issue_leaf
from installer.pki.request import LeafRequest, Usage


@pytest.fixture
def no_connections(monkeypatch):
    """Fail the test at the first connection or process."""

    def refuse(*_, **__):
        pytest.fail("a host was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)


def leaf(**changes):
    """Return a request for a certificate that covers every sample node."""
    addresses = ("10.77.0.11", "10.77.0.14", "10.77.0.17", "10.77.0.20")
    return replace(LeafRequest(common_name="node", addresses=addresses), **changes)


def expired(authority):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(authority_module, "_now", lambda: datetime.now(UTC) - timedelta(days=40))
        return issue_leaf(authority, leaf(days=30))


@pytest.fixture(scope="session")
def certificates():
    """Make a CA and certificates of it: a good one, and others with one defect each."""
    authority, stranger = create_authority("CA"), create_authority("another CA")
    return {
        "ca": authority,
        "node": issue_leaf(authority, leaf()),
        "other": issue_leaf(authority, leaf()),
        "stranger": issue_leaf(stranger, leaf()),
        "elsewhere": issue_leaf(authority, leaf(addresses=("10.99.0.1",))),
        "client": issue_leaf(authority, leaf(usages=(Usage.CLIENT,))),
        "patroni": issue_leaf(authority, LeafRequest(common_name="patroni")),
        "expired": expired(authority),
    }


@pytest.fixture
def folder(tmp_path, certificates, no_connections):
    for name, pair in certificates.items():
        (tmp_path / f"{name}.crt").write_bytes(pair.certificate)
        (tmp_path / f"{name}.key").write_bytes(pair.key)
    (tmp_path / "empty.crt").write_text("")
    return tmp_path
