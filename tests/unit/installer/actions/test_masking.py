"""No secret leaves a cluster in a text, however it is spelt there."""

import json
import urllib.parse

import pytest

from installer.actions.masking import Masker, document_secrets, key_lines
from installer.config.complete import complete

SECRET = 'p"äss/wörd+1'
TOKEN = "ctok-abcdef1234-" + "S" * 40
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\nAAAA\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    "spelt",
    [SECRET, json.dumps(SECRET), urllib.parse.quote(SECRET, safe=""), f"x{SECRET}y"],
    ids=["plain", "json", "url", "within a word"],
)
def test_a_secret_is_masked_as_it_is_quoted(spelt):
    told = Masker([SECRET])(f"before {spelt} after".encode())

    assert spelt.strip('"').encode() not in told
    assert b"********" in told
    assert told.startswith(b"before ")
    assert told.endswith(b" after")


def test_of_two_secrets_the_longer_one_goes_first():
    """Otherwise the rest of it would stay."""
    told = Masker(["password", "password-and-more"])(b"password-and-more")

    assert told == b"********"


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        (f"token {TOKEN} used", "S" * 40),
        (f"key:\n{KEY}\nend", "MHcCAQEE"),
        (KEY[:45], "MHcCAQEE"),
        ("Authorization: Basic YWRtaW46eA==", "YWRtaW46eA=="),
        ("{'Authentication-Token': 'WyIwIiwiYWJj'}", "WyIwIiwiYWJj"),
        ("Execution-Token: 0f9a7c3e", "0f9a7c3e"),
        ("verifier: SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy", "c3RvcmVk:c2VydmVy"),
        ("<apikey>Rq3bFyZ</apikey>", "Rq3bFyZ"),
        ('{"user": "x", "password": "by-hand-1"}', "by-hand-1"),
        ("default_pass = by-hand-1", "by-hand-1"),
        ("ssl_passphrase='by-hand-1'", "by-hand-1"),
    ],
    ids=[
        *("token", "key", "key that is cut off", "login", "session", "execution"),
        *("verifier", "syncthing", "json", "rabbitmq", "passphrase"),
    ],
)
def test_what_no_file_of_ours_lists_is_known_by_its_form(text, gone):
    told = Masker([])(text.encode()).decode()

    assert gone not in told
    assert "********" in told


def test_what_is_no_secret_stays():
    text = b"2026-11-21 db-1 patroni: no action. I am (db-1), the leader; token ctok-abc, key.pem\n"
    text += b"password_encryption: scram-sha-256\ntls_key_path: /etc/cloudify/node.key\n"

    assert Masker(["another-secret", "", "short"])(text) == text


def test_every_secret_of_a_configuration_is_known():
    config = complete(
        {
            "rabbitmq": {"password": "of-the-broker"},
            "flask_security": {"old_encryption_keys": ["of-yesterday"]},
        }
    )

    assert {"of-the-broker", "of-yesterday"} <= set(document_secrets(config))


def test_lines_of_private_keys_are_known_but_not_what_all_keys_share(tmp_path):
    own = "Q" * 64
    (tmp_path / "nodes").mkdir()
    text = f"-----BEGIN PRIVATE KEY-----\n{'M' * 64}\n{own}\nshort\n-----END PRIVATE KEY-----\n"
    (tmp_path / "nodes" / "node.key").write_text(text)

    assert list(key_lines(tmp_path)) == [own]
