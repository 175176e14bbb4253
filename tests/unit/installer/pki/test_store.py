"""The folder of a cluster: what lacks is issued, the rest is kept, and keys stay closed."""

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509 import DNSName

from installer.errors import ConfigError, Refused
from installer.lock import hold_lock
from installer.pki.authority import KeyType, create_authority
from installer.pki.facts import read_facts
from installer.pki.listing import list_certificates
from installer.pki.store import CertificateStore, Change
from installer.pki.verify import BroughtCertificate, PemFile, certificate_problems
from tests.unit.installer.pki.makers import DAY, Made, ca, leaf

ROOT, OTHER = ca(), ca("Other Root")


@dataclass(frozen=True)
class Request:
    node: str
    name: str = "node"
    common_name: str = ""
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    usages: tuple[str, ...] = ("server", "client")


def node(name: str, address: str) -> Request:
    return Request(name, common_name=name, dns_names=(name,), addresses=(address,))


def user(node: str, name: str) -> Request:
    return Request(node, name=f"client-{name}", common_name=name, usages=("client",))


REQUESTS = (
    node("db-1", "10.0.0.1"),
    user("db-1", "postgres"),
    node("db-2", "10.0.0.2"),
    user("db-2", "postgres"),
)
FILES = [f"{n}/{f}" for n in ("db-1", "db-2") for f in ("client-postgres.crt", "node.crt")]


@pytest.fixture
def store(tmp_path):
    store = CertificateStore(tmp_path / "certs" / "demo")
    store.ensure(REQUESTS)
    return store


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def modes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_mode & 0o777
        for path in (folder, *folder.rglob("*"))
    }


def test_the_first_call_issues_everything(tmp_path):
    store = CertificateStore(tmp_path / "demo")

    changes = store.ensure(REQUESTS)

    assert {change.path for change in changes} == {"ca.crt", *(f"nodes/{file}" for file in FILES)}
    assert {change.reason for change in changes} == {"missing"}


def test_the_second_call_changes_nothing(store):
    before = contents(store.folder)

    assert store.ensure(REQUESTS) == ()
    assert contents(store.folder) == before


def test_what_was_issued_passes_our_own_checks(store):
    pair = store.pair("db-1")

    problems = certificate_problems(
        BroughtCertificate(
            certificate=PemFile("certificate", pair.certificate),
            key=PemFile("key", pair.key),
            ca=PemFile("ca", store.ca_certificate()),
            hosts=("db-1", "10.0.0.1"),
        )
    )

    assert list(problems) == []


def test_each_node_gets_its_own_files_and_the_authoritys_certificate(store):
    files = store.by_node(REQUESTS)

    assert sorted(files) == ["db-1", "db-2"]
    assert sorted(files["db-1"]) == [
        "ca.crt",
        "client-postgres.crt",
        "client-postgres.key",
        "node.crt",
        "node.key",
    ]
    keys = {files[node][key] for node in files for key in ("node.key", "client-postgres.key")}
    assert len(keys) == 4
    authority = (store.folder / "ca.key").read_bytes()
    assert all(authority not in content for node in files.values() for content in node.values())


def test_an_ipv4_address_is_also_a_name_and_an_ipv6_address_is_not(tmp_path):
    store = CertificateStore(tmp_path / "demo")
    request = Request("a", common_name="a", dns_names=("a",), addresses=("10.0.0.1", "fd00::1"))
    store.ensure([request])

    facts = read_facts(store.pair("a").certificate)

    assert facts.dns_names == ("a", "10.0.0.1")
    assert facts.addresses == ("10.0.0.1", "fd00::1")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_keys_are_closed_and_certificates_open_under_any_umask(tmp_path, umask):
    old = os.umask(0o022)
    try:
        (tmp_path / "parent").mkdir()
        os.umask(umask)
        store = CertificateStore(tmp_path / "parent" / "demo")
        store.ensure(REQUESTS[:1])
    finally:
        os.umask(old)

    assert modes(store.folder) == {
        ".": 0o700,
        ".lock": 0o600 & ~umask,
        "ca.crt": 0o644,
        "ca.key": 0o600,
        "nodes": 0o700,
        "nodes/db-1": 0o700,
        "nodes/db-1/node.crt": 0o644,
        "nodes/db-1/node.key": 0o600,
    }


def test_keys_that_others_could_read_are_closed(store):
    key = store.folder / "nodes/db-1/node.key"
    key.chmod(0o644)

    store.ensure(REQUESTS)

    assert key.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_exists_keeps_its_mode(tmp_path):
    """The inventory may name a folder that holds other things as well."""
    tmp_path.chmod(0o755)

    CertificateStore(tmp_path).ensure(REQUESTS)

    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_changed_address_issues_that_nodes_certificate_only(store):
    moved = (node("db-1", "10.0.0.9"), *REQUESTS[1:])
    old = contents(store.folder)

    changes = store.ensure(moved)

    assert changes == (Change("nodes/db-1/node.crt", "its hosts changed: +10.0.0.9 -10.0.0.1"),)
    new = contents(store.folder)
    assert {name for name in new if new[name] != old[name]} == {
        "nodes/db-1/node.crt",
        "nodes/db-1/node.key",
    }


def test_a_changed_usage_issues_the_certificate_anew(store):
    changed = (replace(REQUESTS[0], usages=("server",)), *REQUESTS[1:])

    assert store.ensure(changed) == (Change("nodes/db-1/node.crt", "its usages changed"),)


@pytest.fixture
def aged(tmp_path):
    """Make a store whose only certificate has the given days left."""

    def make(authority: Made, **changes) -> CertificateStore:
        made = leaf(authority, hosts=("db-1", "10.0.0.1", DNSName("10.0.0.1")), **changes)
        (tmp_path / "nodes/db-1").mkdir(parents=True)
        for name, content in (
            ("ca.crt", authority.pem),
            ("ca.key", authority.key_pem()),
            ("nodes/db-1/node.crt", made.pem),
            ("nodes/db-1/node.key", made.key_pem()),
        ):
            (tmp_path / name).write_bytes(content)
        return CertificateStore(tmp_path)

    return make


@pytest.mark.parametrize(
    ("begins", "ends", "reason"),
    [
        (-300, 31, None),
        (-300, 20, "it expires in 19 days"),
        (-300, -2, "it expired 3 days ago"),
        (-1, 6, None),  # a week's certificate is not due on its first day
        (-5, 2, "it expires in 1 days"),
    ],
)
def test_a_certificate_is_renewed_before_it_expires(aged, begins, ends, reason):
    store = aged(ca(), begins=begins * DAY, ends=ends * DAY)

    reasons = [change.reason for change in store.ensure(REQUESTS[:1])]

    assert reasons == ([reason] if reason else [])


def test_what_ends_with_its_authority_is_not_renewed_for_ever(aged):
    authority = ca(begins=-300 * DAY, ends=20 * DAY)
    ends = authority.certificate.not_valid_after_utc - datetime.now(UTC)
    store = aged(authority, begins=-300 * DAY, ends=ends + timedelta(seconds=1))

    assert store.ensure(REQUESTS[:1]) == ()


@pytest.mark.parametrize("spoiled", ["node.crt", "node.key"])
def test_a_spoiled_file_is_issued_anew(store, spoiled):
    (store.folder / "nodes/db-1" / spoiled).write_bytes(b"hello")

    assert store.ensure(REQUESTS) == (Change("nodes/db-1/node.crt", "it cannot be read"),)
    assert store.ensure(REQUESTS) == ()


def test_a_run_killed_between_key_and_certificate_is_made_good(store):
    other = CertificateStore(store.folder.parent / "other")
    other.ensure(REQUESTS)
    (store.folder / "nodes/db-1/node.key").write_bytes(other.pair("db-1").key)

    changes = store.ensure(REQUESTS)

    assert changes == (Change("nodes/db-1/node.crt", "its key is of another certificate"),)


def test_another_authority_issues_everything_anew(store):
    authority = create_authority("new")
    (store.folder / "ca.crt").write_bytes(authority.certificate)
    (store.folder / "ca.key").write_bytes(authority.key)

    reasons = {change.reason for change in store.ensure(REQUESTS)}

    assert reasons == {"it was issued by another CA"}


def test_a_preview_writes_nothing(tmp_path):
    store = CertificateStore(tmp_path / "demo")

    files = store.preview(REQUESTS)

    assert sorted(files) == ["db-1", "db-2"]
    assert list(tmp_path.iterdir()) == []


def test_a_preview_shows_what_is_there_and_what_would_change(store):
    before = contents(store.folder)
    moved = (node("db-1", "10.0.0.9"), *REQUESTS[1:])

    files = store.preview(moved)

    assert files["db-2"] == store.by_node(REQUESTS)["db-2"]
    assert read_facts(files["db-1"]["node.crt"]).addresses == ("10.0.0.9",)
    assert contents(store.folder) == before


def test_each_certificate_keeps_its_key_type(tmp_path):
    """A later run that names no type must not replace RSA keys and restart every service."""
    CertificateStore(tmp_path, key_type=KeyType.RSA_2048).ensure(REQUESTS[:1])

    assert CertificateStore(tmp_path).ensure(REQUESTS[:1]) == ()
    CertificateStore(tmp_path).ensure(REQUESTS)
    assert read_facts(CertificateStore(tmp_path).pair("db-2").certificate).key == "rsa-2048"


def test_another_key_type_by_choice_issues_leaves_anew(store):
    chosen = CertificateStore(store.folder, key_type=KeyType.RSA_2048)

    assert chosen.ensure(REQUESTS[:1]) == (Change("nodes/db-1/node.crt", "its key was ec-p256"),)


def test_the_authoritys_key_may_be_kept_elsewhere_while_nothing_is_due(store):
    (store.folder / "ca.key").unlink()

    assert store.ensure(REQUESTS) == ()
    with pytest.raises(ConfigError, match=r"ca\.key: the file is not here"):
        store.ensure((*REQUESTS, node("db-3", "10.0.0.3")))


def test_a_lost_authority_is_not_replaced(store):
    """Every service would refuse every other one until all nodes had new certificates."""
    (store.folder / "ca.crt").unlink()

    with pytest.raises(ConfigError, match="the CA is not here"):
        store.ensure(REQUESTS)


def test_the_key_of_a_killed_first_run_is_used(tmp_path):
    (tmp_path / "ca.key").write_bytes(create_authority("x").key)
    key = (tmp_path / "ca.key").read_bytes()

    CertificateStore(tmp_path).ensure(REQUESTS)

    assert (tmp_path / "ca.key").read_bytes() == key


def test_a_spoiled_authority_is_a_problem(store):
    (store.folder / "ca.crt").write_bytes(b"hello")

    with pytest.raises(ConfigError, match=r"ca\.crt: it is not a certificate"):
        store.ensure(REQUESTS)


UNFIT = {
    "the key is not that of": (ROOT.pem, OTHER.key_pem()),
    "the CA expired": ((old := ca(begins=-9 * DAY, ends=-DAY)).pem, old.key_pem()),
    "is not a CA": ((plain := leaf(ROOT)).pem, plain.key_pem()),
    "the key is encrypted": (ROOT.pem, ROOT.key_pem(b"secret")),
}


@pytest.mark.parametrize(("words", "pair"), UNFIT.items(), ids=UNFIT)
def test_an_unfit_authority_issues_nothing(tmp_path, words, pair):
    (tmp_path / "ca.crt").write_bytes(pair[0])
    (tmp_path / "ca.key").write_bytes(pair[1])

    with pytest.raises(ConfigError, match=words) as raised:
        CertificateStore(tmp_path).ensure(REQUESTS)

    assert len(raised.value.problems) == 1
    assert not (tmp_path / "nodes").exists()


def test_an_authority_below_another_one_issues_chains(tmp_path):
    below = ca("Example Intermediate", ROOT)
    (tmp_path / "ca.crt").write_bytes(below.pem + ROOT.pem)
    (tmp_path / "ca.key").write_bytes(below.key_pem())
    store = CertificateStore(tmp_path)

    store.ensure(REQUESTS)

    assert store.ensure(REQUESTS) == ()
    pair = store.pair("db-1")
    assert below.pem in pair.certificate
    case = BroughtCertificate(
        certificate=PemFile("certificate", pair.certificate),
        key=PemFile("key", pair.key),
        ca=PemFile("ca", ROOT.pem),
        hosts=("db-1",),
    )
    assert list(certificate_problems(case)) == []


def test_a_node_with_the_name_of_a_user_is_a_problem(tmp_path):
    """Its certificate is a client's too: etcd would take the node for that user."""
    with pytest.raises(ConfigError, match="'postgres' is also a user"):
        CertificateStore(tmp_path).ensure((node("postgres", "10.0.0.1"), *REQUESTS))


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", ""])
def test_a_name_that_leads_out_of_the_folder_is_a_problem(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot name a file"):
        CertificateStore(tmp_path / "demo").ensure([replace(REQUESTS[0], node=name)])

    assert list(tmp_path.iterdir()) == []


def test_two_runs_at_once_are_refused(store):
    with (
        hold_lock(store.folder / ".lock", "certificates"),
        pytest.raises(Refused, match="another run holds the lock"),
    ):
        store.ensure(REQUESTS)


def test_the_list_shows_every_certificate_the_authority_first(store):
    (store.folder / "nodes/db-2/node.crt").write_bytes(b"hello")

    entries = {entry.path: entry.facts for entry in list_certificates(store.folder)}

    assert list(entries) == ["ca.crt", *(f"nodes/{file}" for file in FILES)]
    assert entries["nodes/db-2/node.crt"] is None
    assert entries["nodes/db-1/node.crt"].days_left() == 364


def test_reissue_renews_what_is_asked_for_and_nothing_else(store):
    before = store.fingerprints(REQUESTS)

    changes = store.reissue(REQUESTS[:1])

    after = store.fingerprints(REQUESTS)
    assert [change.path for change in changes] == ["nodes/db-1/node.crt"]
    assert [stem for stem in before if before[stem] != after[stem]] == ["nodes/db-1/node"]
    assert store.pending(REQUESTS) == ()


def test_reissue_keeps_the_type_of_key(tmp_path):
    rsa = CertificateStore(tmp_path, key_type=KeyType.RSA_2048)
    rsa.ensure(REQUESTS[:1])

    CertificateStore(tmp_path).reissue(REQUESTS[:1])

    assert read_facts(rsa.pair("db-1").certificate).key == "rsa-2048"


def test_reissue_without_the_authoritys_key_writes_nothing(store):
    (store.folder / "ca.key").unlink()
    before = contents(store.folder)

    with pytest.raises(ConfigError, match=r"ca\.key"):
        store.reissue(REQUESTS)

    assert contents(store.folder) == before


def test_whether_anything_could_be_issued_is_known_before(tmp_path):
    """A node must not leave for a successor that would get no certificate."""
    store = CertificateStore(tmp_path / "demo")
    store.ensure(REQUESTS[:1])

    store.demand_issuer()

    (store.folder / "ca.key").unlink()
    with pytest.raises(ConfigError, match=r"ca\.key"):
        store.demand_issuer()
