"""The administrator's password and the encryption key change: refused, killed, and to the end."""

import shlex
import sys
import time

import pytest

from installer.lock import hold_lock
from tests.support.cluster import Cluster
from tests.support.killed import killed_when
from tests.support.pair import PAUSE_S, SECRET, STATUS, VALUE, ask, reading

pytestmark = pytest.mark.cluster

RESET = ("cluster", "reset-admin-password", "-i")
UPDATE = ("cluster", "update-encryption-key", "-i")


def test_a_new_password_opens_every_manager_and_the_old_one_none(pair: Cluster):
    old = pair.secrets["admin_password"]

    weak = pair.manage(*RESET, pair.inventory, "--password-stdin", input="short\n", check=False)
    assert (weak.returncode, pair.secrets["admin_password"]) == (3, old)
    told = pair.manage(*RESET, pair.inventory, "--generate")

    new = pair.secrets["admin_password"]
    assert new != old
    assert new not in told.stdout + told.stderr
    for node in pair.having("manager"):
        assert ask(pair, node, STATUS)[0] == 200
        assert ask(pair, node, STATUS, password=old)[0] == 401
        assert new in pair.sh(node, "cat /etc/cloudify/config.yaml")


def test_after_killed_changes_of_the_password_the_next_makes_one_of_it_everywhere(pair: Cluster):
    words = (*RESET, pair.inventory, "--generate")
    known = [pair.secrets["admin_password"]]

    def is_written() -> bool:
        return pair.secrets["admin_password"] not in known

    def is_in_force() -> bool:
        return is_written() and opens(pair, "manager-2", pair.secrets["admin_password"])

    killed_when(pair, words, "the file tells it", is_written)
    known.append(pair.secrets["admin_password"])
    killed_when(pair, words, "the database has it", is_in_force)
    known.append(pair.secrets["admin_password"])
    pair.manage(*words)

    new = pair.secrets["admin_password"]
    assert [opens(pair, "manager-1", word) for word in known] == [False, False, False]
    for node in pair.having("manager"):
        assert opens(pair, node, new)
        assert new in pair.sh(node, "cat /etc/cloudify/config.yaml")


def opens(cluster: Cluster, node: str, password: str) -> bool:
    """Tell whether a password is the administrator's."""
    time.sleep(PAUSE_S)
    status, _ = ask(cluster, node, STATUS, password=password)
    assert status in (200, 401)
    return status == 200


def test_one_manager_is_enough_for_a_password_and_the_missing_one_is_told(pair: Cluster):
    pair.sh("manager-2", "systemctl stop ssh")

    done = pair.manage(*RESET, pair.inventory, "--generate", check=False)

    pair.sh("manager-2", "systemctl start ssh")
    assert done.returncode == 5
    assert "Done:" in done.stdout
    assert "manager-2" in done.stderr
    assert "cluster install" in done.stderr
    assert opens(pair, "manager-2", pair.secrets["admin_password"])


def test_a_change_of_the_key_that_cannot_end_is_not_begun(pair: Cluster):
    secrets = pair.inventory.with_name("secrets.yaml")
    before = secrets.read_bytes()
    own = settings(pair)

    pair.sh("manager-2", "systemctl stop ssh")
    away = pair.manage(*UPDATE, pair.inventory, check=False)
    pair.sh("manager-2", "systemctl start ssh")
    with hold_lock(pair.inventory.with_name("pair.runs") / "lock", "cluster install"):
        held = pair.manage(*UPDATE, pair.inventory, check=False)

    assert (away.returncode, held.returncode) == (5, 8)
    assert "manager-2" in away.stderr
    assert "cluster install" in held.stderr
    assert secrets.read_bytes() == before
    assert settings(pair) == own


def settings(cluster: Cluster) -> list[str]:
    """Return what each manager is told."""
    script = "cat /opt/manager/manager.yaml"
    return [cluster.sh(node, script) for node in cluster.having("manager")]


def test_secrets_stay_readable_while_their_key_changes_and_is_killed_halfway(pair: Cluster):
    assert ask(pair, "manager-1", SECRET, body={"value": VALUE, "update_if_exists": True})[0] < 300
    old = pair.secrets["encryption_key"]
    words = (*UPDATE, pair.inventory)

    with reading(pair) as reader:
        began = time.monotonic()
        killed_when(
            pair,
            words,
            "every manager accepts the new key, and the two are swapped",
            lambda: "previous_encryption_key" in pair.secrets,
        )
        halfway = pair.secrets["encryption_key"]
        told = pair.manage(*words).stdout

    took_s = time.monotonic() - began
    sys.stderr.write(f"\nkey changed in {took_s:.0f} s, {len(reader.rounds)} rounds of reading\n")
    assert "The change that was begun is finished" in told
    assert pair.secrets["encryption_key"] == halfway != old
    assert [name for name in pair.secrets if name.endswith("_encryption_key")] == []
    assert reader.wrong() == []
    assert reader.unreadable() == 0
    assert len(reader.rounds) > 10
    for node in pair.having("manager"):
        assert ask(pair, node, SECRET)[1]["value"] == VALUE
        assert old not in pair.sh(node, "cat /opt/manager/manager.yaml /etc/cloudify/config.yaml")


def test_an_administrators_password_changes_from_a_node_too(pair: Cluster):
    old, new = pair.secrets["admin_password"], "a-password-of-one-node-Zq9"
    words = ("cfy_manager", "reset-admin-password", "--password-stdin")

    weak = pair.on("manager-2", *words, input="short\n", check=False)
    assert weak.returncode == 3
    hold = "exec 9<>/var/lib/cfy_manager/lock; flock 9"
    held = pair.sh("manager-2", f"{hold}; {shlex.join(words)} 2>&1 || true", input=f"{new}\n")
    assert "another run holds the lock" in held
    assert ask(pair, "manager-1", STATUS)[0] == 200
    told = pair.on("manager-2", *words, input=f"{new}\n")
    try:
        assert new not in told.stdout + told.stderr
        assert ask(pair, "manager-1", STATUS, password=new)[0] == 200
        assert ask(pair, "manager-1", STATUS, password=old)[0] == 401
    finally:
        pair.on("manager-2", *words, input=f"{old}\n")
