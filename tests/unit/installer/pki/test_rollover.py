"""The files of a change of the CA: each move, each place where a kill may come, each way back."""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from installer.errors import ConfigError, Refused
from installer.pki.authority import KeyType, create_authority
from installer.pki.chain import is_issued_by
from installer.pki.files import is_ca_changing, write_atomically
from installer.pki.handshake import handshake_fault
from installer.pki.request import LeafRequest, Usage
from installer.pki.rollover import CaRollover, Progress
from installer.pki.store import CertificateStore
from tests.unit.installer.pki.makers import ca
from tests.unit.installer.pki.test_store import REQUESTS, contents

BOTH = (Usage.SERVER, Usage.CLIENT)
LEAF = LeafRequest(common_name="anyone", dns_names=("anyone",), usages=BOTH)


@pytest.fixture
def store(tmp_path):
    store = CertificateStore(tmp_path / "certs" / "demo")
    store.ensure(REQUESTS)
    return store


@pytest.fixture
def rollover(store):
    return CaRollover(store.folder)


def begin(rollover: CaRollover) -> None:
    rollover.begin(KeyType.EC_P256)


def begin_and_trust(rollover: CaRollover) -> None:
    begin(rollover)
    rollover.trust_both()


def issue(rollover: CaRollover) -> None:
    begin_and_trust(rollover)
    rollover.issue_from_new()


def withdraw(rollover: CaRollover) -> None:
    issue(rollover)
    rollover.withdraw()


def trusted(store: CertificateStore) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(store.ca_certificate())


def test_a_whole_change_leaves_the_new_ca_alone(store, rollover):
    (old,) = trusted(store)

    withdraw(rollover)
    changes = store.ensure(REQUESTS)
    rollover.finish()

    (new,) = trusted(store)
    assert new != old
    assert rollover.progress() is Progress.NONE
    assert {change.reason for change in changes} == {"it was issued by another CA"}
    assert {path for path in contents(store.folder) if "nodes" not in path} == {
        *("ca.crt", "ca.key", ".lock"),
    }
    store.ensure([*REQUESTS, type(REQUESTS[0])("db-3", common_name="db-3")])  # the key fits


@pytest.mark.parametrize(
    ("move", "progress"),
    [
        (lambda _: None, Progress.NONE),
        (begin, Progress.MADE),
        (begin_and_trust, Progress.TRUSTED),
        (issue, Progress.ISSUING),
        (withdraw, Progress.WITHDRAWN),
    ],
)
def test_the_files_tell_how_far_it_is(rollover, move: Callable[[CaRollover], None], progress):
    move(rollover)

    assert rollover.progress() is progress
    assert is_ca_changing(rollover.folder) is (progress is not Progress.NONE)


def test_both_cas_are_trusted_while_leaves_of_both_are_shown(store, rollover):
    old = store.pair("db-1")
    begin_and_trust(rollover)
    between = store.ca_certificate()
    rollover.issue_from_new()
    store.ensure(REQUESTS)

    for trust in (between, store.ca_certificate()):
        for pair in (old, store.pair("db-1")):
            assert handshake_fault(pair, trust, "db-1", BOTH) is None


def test_nodes_get_the_same_file_whichever_of_both_cas_issues(store, rollover):
    """A service that reads its CAs when it starts need not restart then."""
    begin_and_trust(rollover)
    before, first = rollover.nodes_trust(), trusted(store)[0]
    rollover.issue_from_new()

    assert trusted(store)[0] != first
    assert rollover.nodes_trust() == before
    assert store.by_node(REQUESTS)["db-1"]["ca.crt"] == before


def test_nodes_get_the_file_as_it_is_where_one_ca_is_trusted(store, rollover):
    path = store.folder / "ca.crt"
    path.write_bytes(b"# of the company\n" + path.read_bytes())

    assert rollover.nodes_trust() == path.read_bytes()


def test_nothing_is_issued_anew_while_the_new_ca_only_becomes_known(store, rollover):
    begin_and_trust(rollover)

    assert store.ensure(REQUESTS) == ()


def test_only_the_new_ca_is_trusted_in_the_end(store, rollover):
    old = store.pair("db-1")
    withdraw(rollover)
    store.ensure(REQUESTS)

    assert handshake_fault(old, store.ca_certificate(), "db-1", BOTH) is not None
    assert handshake_fault(rollover.witness(LEAF), rollover.going(), "anyone", BOTH) is None


@pytest.mark.parametrize("written", range(5))
def test_a_switch_that_is_killed_between_two_files_can_issue_and_is_finished(
    store, rollover, monkeypatch, written
):
    """Its files: previous key, previous CA, ca.crt, ca.key; then the next CA goes."""
    begin_and_trust(rollover)
    (old, new) = trusted(store)
    import installer.pki.rollover as module

    real, count = module.write_atomically, 0

    def killed(*words):
        nonlocal count
        if count == written:
            raise KeyboardInterrupt
        count += 1
        real(*words)

    monkeypatch.setattr(module, "write_atomically", killed)
    if written < 4:
        with pytest.raises(KeyboardInterrupt):
            rollover.issue_from_new()
    monkeypatch.setattr(module, "write_atomically", real)

    issuer = trusted(store)[0]
    store.ensure([type(REQUESTS[0])("db-3", common_name="db-3", dns_names=("db-3",))])
    if rollover.progress() is Progress.TRUSTED:
        rollover.issue_from_new()
    rollover.settle()

    leaf = x509.load_pem_x509_certificate(store.pair("db-3").certificate)
    assert is_issued_by(leaf, issuer)
    assert issuer in (old, new)
    assert rollover.progress() is Progress.ISSUING
    assert trusted(store) == [new, old]
    assert not (store.folder / "next-ca.key").exists()
    store.ensure(REQUESTS)  # with the key of the new one


@pytest.mark.parametrize(
    ("move", "progress"),
    [
        (begin, Progress.WITHDRAWN),
        (begin_and_trust, Progress.ISSUING),
        (issue, Progress.TRUSTED),
        (withdraw, Progress.MADE),
    ],
)
def test_turning_back_never_takes_away_a_trust_that_a_node_may_need(
    store, rollover, move: Callable[[CaRollover], None], progress
):
    """Whatever was half spread is spread again before the CA that goes is withdrawn."""
    move(rollover)
    before = trusted(store)

    rollover.turn_back()

    assert rollover.progress() is progress
    assert trusted(store) == before


@pytest.mark.parametrize("move", [begin, begin_and_trust, issue, withdraw])
@pytest.mark.parametrize("files", range(4))
def test_turning_back_may_be_killed_at_any_file_and_said_again(
    store, rollover, monkeypatch, move: Callable[[CaRollover], None], files
):
    """Each file that is written or taken away is a moment at which the run may end."""
    old = trusted(store)[0]
    move(rollover)
    left = iter(range(files))

    def or_killed(act):
        def acts(*words, **options):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return act(*words, **options)

        return acts

    with monkeypatch.context() as killed:
        for place in ("rollover", "pairs"):
            killed.setattr(f"installer.pki.{place}.write_atomically", or_killed(write_atomically))
        killed.setattr(Path, "unlink", or_killed(Path.unlink))
        with contextlib.suppress(KeyboardInterrupt):
            rollover.turn_back()
    rollover.turn_back()
    rollover.turn_back()

    steps = {
        Progress.MADE: rollover.trust_both,
        Progress.TRUSTED: rollover.issue_from_new,
        Progress.ISSUING: rollover.withdraw,
        Progress.WITHDRAWN: rollover.finish,
    }
    while (progress := rollover.progress()) is not Progress.NONE:
        steps[progress]()
        rollover.settle()
    assert trusted(store) == [old]
    assert sorted(path.name for path in store.folder.glob("*.key")) == ["ca.key"]


def test_a_change_that_turns_back_ends_with_the_old_ca(store, rollover):
    (old,) = trusted(store)
    issue(rollover)
    store.ensure(REQUESTS)

    rollover.turn_back()
    rollover.issue_from_new()
    store.ensure(REQUESTS)
    rollover.withdraw()
    rollover.finish()

    assert trusted(store) == [old]
    assert store.pending(REQUESTS) == ()


def test_a_lost_key_of_the_old_ca_is_no_obstacle_but_to_turning_back(store, rollover):
    old = store.pair("db-1", "client-postgres")
    (store.folder / "ca.key").unlink()

    issue(rollover)
    store.ensure(REQUESTS)

    assert rollover.witness(LEAF) == old
    with pytest.raises(Refused, match="the key of the CA that is to come back is not here"):
        rollover.turn_back()


def test_a_ca_of_the_users_own_is_taken(store, rollover):
    own = create_authority("Ours")
    (store.folder / "next-ca.crt").write_bytes(own.certificate)
    (store.folder / "next-ca.key").write_bytes(own.key)

    issue(rollover)

    assert rollover.authorities().issuer.common_name == "Ours"
    assert (store.folder / "ca.key").stat().st_mode & 0o777 == 0o600


def test_a_ca_that_cannot_issue_is_refused(store, rollover):
    own, other = create_authority("Ours"), create_authority("Other")
    (store.folder / "next-ca.crt").write_bytes(own.certificate)
    (store.folder / "next-ca.key").write_bytes(other.key)

    with pytest.raises(ConfigError, match=r"next-ca\.key"):
        begin(rollover)


def test_the_ca_of_the_cluster_is_not_a_new_one(store, rollover):
    for kind in ("crt", "key"):
        shutil.copy(store.folder / f"ca.{kind}", store.folder / f"next-ca.{kind}")

    with pytest.raises(ConfigError, match="the one that the cluster has already"):
        begin(rollover)


def test_a_leaf_carries_no_intermediate_of_the_ca_that_goes(tmp_path: Path):
    root, folder = ca(), tmp_path / "chained"
    issuing = ca("Issuing", root)
    folder.mkdir()
    (folder / "ca.crt").write_bytes(issuing.pem + root.pem)
    (folder / "ca.key").write_bytes(issuing.key_pem())
    store = CertificateStore(folder)
    store.ensure(REQUESTS)

    issue(CaRollover(folder))
    store.ensure(REQUESTS)

    assert len(x509.load_pem_x509_certificates(store.pair("db-1").certificate)) == 1
    assert len(trusted(store)) == 3
