"""What the CA issues: OpenSSL's strict rules and real handshakes accept it."""

import ipaddress
import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from installer.errors import ConfigError
from installer.pki.authority import (
    KeyPair,
    KeyType,
    LeafRequest,
    Usage,
    create_authority,
    issue_leaf,
)
from installer.pki.facts import read_facts
from installer.pki.requirements import host_leaf
from tests.unit.installer.pki.makers import ca

CA = create_authority("demo CA")
NODE = host_leaf(("db-1", "127.0.0.1", "::1", "10.0.0.1", "localhost"))
LEAF = issue_leaf(CA, NODE)
CLIENT = issue_leaf(CA, LeafRequest(common_name="cloudify", usages=(Usage.CLIENT,)))


@pytest.fixture
def folder(tmp_path):
    def write(pair: KeyPair, name: str) -> str:
        path = tmp_path / name
        path.write_bytes(pair.certificate + pair.key)
        return str(path)

    (tmp_path / "ca.crt").write_bytes(CA.certificate)
    return tmp_path, write


def openssl_verify(authority: KeyPair, pair: KeyPair, folder, *options: str) -> str:
    (folder / "ca.crt").write_bytes(authority.certificate)
    (folder / "leaf.crt").write_bytes(pair.certificate)
    words = ["openssl", "verify", "-x509_strict", *options, "-CAfile", "ca.crt", "leaf.crt"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
def test_openssl_accepts_a_node_certificate_strictly(tmp_path, key_type, purpose):
    authority = create_authority("demo CA", key_type=key_type)
    pair = issue_leaf(authority, LeafRequest(common_name="db-1", key_type=KeyType.EC_P256))

    assert openssl_verify(authority, pair, tmp_path, "-purpose", purpose) == "leaf.crt: OK\n"


@pytest.mark.parametrize("key_type", KeyType)
def test_a_leaf_has_the_key_that_was_asked_for(key_type):
    pair = issue_leaf(CA, LeafRequest(common_name="db-1", key_type=key_type))

    assert read_facts(pair.certificate).key == key_type
    assert pair.key.startswith(b"-----BEGIN PRIVATE KEY-----")  # PKCS #8


@pytest.mark.parametrize("host", ["db-1", "10.0.0.1", "localhost"])
def test_openssl_accepts_every_host_as_a_name(tmp_path, host):
    assert openssl_verify(CA, LEAF, tmp_path, "-verify_hostname", host).endswith("OK\n")


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "::1"])
def test_openssl_accepts_every_address(tmp_path, address):
    assert openssl_verify(CA, LEAF, tmp_path, "-verify_ip", address).endswith("OK\n")


def test_openssl_refuses_a_client_certificate_as_a_server(tmp_path):
    said = openssl_verify(CA, CLIENT, tmp_path, "-purpose", "sslserver")

    assert "unsuitable certificate purpose" in said.lower() or "unsupported" in said.lower()


def test_the_authority_issues_leaves_and_no_authorities():
    constraints = x509.load_pem_x509_certificate(CA.certificate).extensions.get_extension_for_class(
        x509.BasicConstraints
    )

    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)


def test_a_node_whose_clock_is_behind_accepts_a_new_certificate():
    for pem in (CA.certificate, LEAF.certificate):
        assert read_facts(pem).not_before < datetime.now(UTC) - timedelta(minutes=30)


def test_a_leaf_does_not_outlive_its_authority():
    authority = create_authority("short", days=10)

    pair = issue_leaf(authority, LeafRequest(common_name="db-1", days=365))

    assert read_facts(pair.certificate).not_after == read_facts(authority.certificate).not_after


def test_serial_numbers_are_random():
    serials = {
        x509.load_pem_x509_certificate(issue_leaf(CA, NODE).certificate).serial_number
        for _ in range(20)
    }

    assert len(serials) == 20
    assert max(serials).bit_length() > 128


def test_intermediates_of_the_authority_follow_the_leaf(tmp_path):
    root = ca()
    below = ca("Example Intermediate", root)
    authority = KeyPair(below.pem + root.pem, below.key_pem())

    pair = issue_leaf(authority, NODE)

    assert len(x509.load_pem_x509_certificates(pair.certificate)) == 2
    (tmp_path / "chain").write_bytes(pair.certificate)
    root_only = KeyPair(root.pem, b"")
    said = openssl_verify(root_only, pair, tmp_path, "-untrusted", "chain")
    assert said == "leaf.crt: OK\n"


def test_no_representation_shows_a_key():
    assert "PRIVATE" not in repr(LEAF)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"common_name": ""}, "0 characters"),
        ({"common_name": "x" * 65}, "65 characters"),
        ({"dns_names": ("größe",)}, "not a DNS name"),
        ({"dns_names": ("a b",)}, "not a DNS name"),
        ({"dns_names": ("a\n",)}, "not a DNS name"),
        ({"addresses": ("10.0.0.300",)}, "not an IP address"),
        ({"addresses": ("fe80::1%eth0",)}, "not an IP address"),
        ({"days": 0}, "no lifetime"),
        ({"usages": ()}, "no usage"),
    ],
)
def test_what_no_certificate_can_say_is_a_problem(wrong, words):
    with pytest.raises(ConfigError, match=words):
        LeafRequest(**{"common_name": "db-1", **wrong})


LABEL = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\Z")
NAME = st.lists(LABEL, min_size=1, max_size=4).map(".".join).filter(lambda n: not n[-1].isdigit())


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(NAME, min_size=1, max_size=4),
    addresses=st.lists(st.ip_addresses().map(str), max_size=4),
)
def test_whatever_was_asked_for_stands_in_the_certificate(names, addresses):
    pair = issue_leaf(CA, host_leaf((*names, *addresses)))

    facts = read_facts(pair.certificate)
    shown = {ipaddress.ip_address(address) for address in facts.addresses}
    assert shown == {ipaddress.ip_address(address) for address in addresses}
    ipv4 = {address for address in addresses if ":" not in address}
    assert set(facts.dns_names) == {*names, *ipv4}
    assert key_fits(pair)


def key_fits(pair: KeyPair) -> bool:
    public = serialization.load_pem_private_key(pair.key, password=None).public_key()
    return public == x509.load_pem_x509_certificate(pair.certificate).public_key()


# Real handshakes: what a service and its client do, over a socket of the loopback.


def server_context(pair_file: str, ca_file: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair_file)
    context.load_verify_locations(ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def client_context(ca_file: str, pair_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if pair_file:
        context.load_cert_chain(pair_file)
    return context


def greet(
    server: ssl.SSLContext, client: ssl.SSLContext, host: str, version: ssl.TLSVersion
) -> str:
    """Return the common name that the server took its client for."""
    client.minimum_version = client.maximum_version = version
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            connection, _ = listener.accept()
            with connection, server.wrap_socket(connection, server_side=True) as tls:
                subject = dict(part[0] for part in tls.getpeercert()["subject"])
                tls.sendall(subject["commonName"].encode())
        except OSError:
            return  # the client sees the refusal

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with (
            socket.create_connection(listener.getsockname(), timeout=10) as connection,
            client.wrap_socket(connection, server_hostname=host) as tls,
        ):
            return tls.recv(100).decode()
    finally:
        thread.join(10)
        listener.close()


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("host", ["db-1", "localhost", "127.0.0.1", "::1", "10.0.0.1"])
def test_a_node_and_a_client_shake_hands(folder, version, host):
    path, write = folder
    server = server_context(write(LEAF, "node"), str(path / "ca.crt"))
    client = client_context(str(path / "ca.crt"), write(CLIENT, "client"))

    assert greet(server, client, host, version) == "cloudify"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_node_is_also_a_client_of_its_peers(folder, version):
    path, write = folder
    server = server_context(write(LEAF, "node"), str(path / "ca.crt"))
    client = client_context(str(path / "ca.crt"), write(LEAF, "peer"))

    assert greet(server, client, "db-1", version) == "db-1"


@pytest.mark.parametrize("key_type", [KeyType.RSA_2048, KeyType.RSA_4096])
def test_rsa_keys_shake_hands_with_ec_keys(folder, key_type):
    path, write = folder
    pair = issue_leaf(CA, LeafRequest(common_name="db-2", dns_names=("db-2",), key_type=key_type))
    server = server_context(write(pair, "node"), str(path / "ca.crt"))
    client = client_context(str(path / "ca.crt"), write(CLIENT, "client"))

    assert greet(server, client, "db-2", ssl.TLSVersion.TLSv1_2) == "cloudify"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_without_certificate_is_refused(folder, version):
    path, write = folder
    server = server_context(write(LEAF, "node"), str(path / "ca.crt"))
    client = client_context(str(path / "ca.crt"), None)

    with pytest.raises(OSError, match=r"(?i)certificate required|handshake failure|reset|eof"):
        greet(server, client, "db-1", version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_of_another_cluster_is_refused(folder, version):
    """Its CA may even bear the same name."""
    path, write = folder
    stranger = issue_leaf(create_authority("demo CA"), LeafRequest(common_name="cloudify"))
    server = server_context(write(LEAF, "node"), str(path / "ca.crt"))
    client = client_context(str(path / "ca.crt"), write(stranger, "client"))

    with pytest.raises(OSError, match=r"(?i)unknown ca|decrypt error|reset|eof"):
        greet(server, client, "db-1", version)


def test_a_client_refuses_a_node_of_another_name(folder):
    path, write = folder
    server = server_context(write(LEAF, "node"), str(path / "ca.crt"))
    client = client_context(str(path / "ca.crt"), write(CLIENT, "client"))

    with pytest.raises(ssl.SSLCertVerificationError, match="db-2"):
        greet(server, client, "db-2", ssl.TLSVersion.TLSv1_3)


def test_a_client_refuses_a_users_certificate_as_a_server(folder):
    """A stolen user certificate cannot stand in for a node."""
    path, write = folder
    server = server_context(write(CLIENT, "node"), str(path / "ca.crt"))
    client = client_context(str(path / "ca.crt"), write(CLIENT, "client"))

    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        greet(server, client, "db-1", ssl.TLSVersion.TLSv1_3)
