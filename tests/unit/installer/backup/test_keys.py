"""A fresh cluster reads what the old one sealed, and no node could have."""

from pathlib import Path

import pytest

from installer.backup.keys import RESTORED, KeysPart, changed_keys
from installer.cluster_secrets import (
    KEYS_PASSWORD,
    PREVIOUS_KEY,
    change_secrets,
    ensure_secrets,
    load_secrets,
)
from installer.errors import PhaseFailed
from installer.inventory import load_inventory
from installer.secrets import Secret
from tests.support.backups import MemoryStore, part_run

INVENTORY = """\
cluster: {name: c}
nodes:
  - {name: one, address: 10.0.0.1, roles: [database, queue, manager]}
"""


@pytest.fixture
def cluster(tmp_path):
    """Return a function that makes a cluster of its own: inventory, secrets, CA."""

    def make(name, ca="the CA"):
        folder = tmp_path / name
        (folder / "certs/c").mkdir(parents=True)
        (folder / "cluster.yaml").write_text(INVENTORY)
        loaded = load_inventory(folder / "cluster.yaml")
        inventory = getattr(loaded, "inventory", loaded)
        ensure_secrets(inventory.secrets_path)
        for file in ("ca.crt", "ca.key"):
            (inventory.certificates_path / file).write_text(f"{ca} {file}")
        return inventory

    return make


@pytest.fixture
def store():
    """Return what both clusters reach."""
    return MemoryStore()


def keep(inventory, store):
    return KeysPart().take(part_run(inventory, store=store)[0])


def share_password(old, new):
    password = load_secrets(old.secrets_path)[KEYS_PASSWORD]
    change_secrets(new.secrets_path, {KEYS_PASSWORD: password})


def test_a_fresh_cluster_reads_what_the_old_one_sealed(cluster, store):
    old, fresh = cluster("old"), cluster("fresh")
    taken = keep(old, store)
    share_password(old, fresh)
    own = load_secrets(fresh.secrets_path)

    KeysPart().restore(part_run(fresh, store=store)[0], taken)

    before, after = load_secrets(old.secrets_path), load_secrets(fresh.secrets_path)
    assert {name for name in before if before[name] == after.get(name)} == {
        *("encryption_key", "hash_salt", "secret_key", "encoding_alphabet", "admin_password"),
        KEYS_PASSWORD,
    }
    assert after[PREVIOUS_KEY] == own["encryption_key"]


def test_a_restore_on_the_same_cluster_changes_no_secret(cluster, store):
    inventory = cluster("old")
    taken = keep(inventory, store)
    before = inventory.secrets_path.read_text()

    KeysPart().restore(part_run(inventory, store=store)[0], taken)

    assert inventory.secrets_path.read_text() == before
    assert not (inventory.certificates_path / RESTORED).exists()


def test_a_second_restore_keeps_the_key_of_today_beside(cluster, store):
    """The first was killed after the secrets file; the second must not lose what it had kept."""
    old, fresh = cluster("old"), cluster("fresh")
    taken = keep(old, store)
    share_password(old, fresh)
    KeysPart().restore(part_run(fresh, store=store)[0], taken)
    first = fresh.secrets_path.read_text()

    KeysPart().restore(part_run(fresh, store=store)[0], taken)

    assert fresh.secrets_path.read_text() == first


def test_another_ca_is_kept_beside_and_told(cluster, store):
    old, fresh = cluster("old"), cluster("fresh", ca="another CA")
    taken = keep(old, store)
    share_password(old, fresh)
    run, told = part_run(fresh, store=store)

    KeysPart().restore(run, taken)

    kept = fresh.certificates_path / RESTORED
    assert (kept / "ca.key").read_text() == "the CA ca.key"
    assert (kept / "ca.key").stat().st_mode & 0o777 == 0o600
    assert (fresh.certificates_path / "ca.crt").read_text() == "another CA ca.crt"
    assert any(str(kept) in line for line in told)


def test_what_is_stored_shows_no_secret(cluster, store):
    inventory = cluster("old")

    keep(inventory, store)

    stored = b"".join(store.files.values())
    for name, secret in load_secrets(inventory.secrets_path).items():
        assert secret.reveal().encode() not in stored, name
    assert b"the CA" not in stored


@pytest.mark.parametrize("change", [Secret("quite-another-password"), None])
def test_without_their_password_the_keys_stay_closed_and_nothing_changes(cluster, store, change):
    old, fresh = cluster("old"), cluster("fresh")
    taken = keep(old, store)
    change_secrets(fresh.secrets_path, {KEYS_PASSWORD: change})
    before = fresh.secrets_path.read_text()
    run, _ = part_run(fresh, store=store)

    with pytest.raises(PhaseFailed) as told:
        KeysPart().restore(run, taken)

    assert told.value.problems[0].code == "backup-keys-sealed"
    assert fresh.secrets_path.read_text() == before
    assert [p.code for p in KeysPart().verify(run, taken)] == ["backup-keys-sealed"]


def test_verify_opens_the_keys(cluster, store):
    inventory = cluster("old")
    taken = keep(inventory, store)

    assert list(KeysPart().verify(part_run(inventory, store=store)[0], taken)) == []


def test_a_key_that_the_inventory_gives_is_not_overruled_in_silence(cluster, store):
    old, fresh = cluster("old"), cluster("fresh")
    taken = keep(old, store)
    share_password(old, fresh)
    given = {"flask_security": {"encryption_key": "given-in-the-inventory"}}
    path: Path = fresh.path
    path.write_text(INVENTORY + f"settings: {given}\n")
    loaded = load_inventory(path)
    inventory = getattr(loaded, "inventory", loaded)

    with pytest.raises(PhaseFailed) as told:
        KeysPart().restore(part_run(inventory, store=store)[0], taken)

    assert told.value.problems[0].code == "backup-keys-given"


def test_a_change_of_the_key_that_was_under_way_comes_back_as_it_was():
    known = {"encryption_key": Secret("today")}
    kept = {"encryption_key": Secret("then"), PREVIOUS_KEY: Secret("before-then")}

    changes = changed_keys(known, kept)

    assert changes["encryption_key"] == Secret("then")
    assert changes[PREVIOUS_KEY] == Secret("before-then")


def test_damaged_keys_are_not_taken_for_a_wrong_password(cluster, store):
    inventory = cluster("old")
    taken = keep(inventory, store)
    store.files = {name: b"x" + content[1:] for name, content in store.files.items()}

    (problem,) = KeysPart().verify(part_run(inventory, store=store)[0], taken)

    assert problem.code == "backup-part-damaged"
