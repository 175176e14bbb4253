import json

import pytest

from installer.roles.database import etcd_probe, patroni_probe
from installer.roles.database.etcd_gateway import Etcd, Refusal
from installer.roles.database.etcd_probe import enable
from installer.roles.database.patroni_probe import (
    best_candidate,
    change_config,
    cluster_problems,
    follows,
    has_begun,
    is_copying,
    is_in_turn,
    patch,
)

LEADER = {"name": "db-1", "role": "leader", "state": "running"}
SYNC = {"name": "db-2", "role": "sync_standby", "state": "streaming"}
REPLICA = {"name": "db-3", "role": "replica", "state": "streaming"}


def problems(*members, replica_state="streaming", synchronous=True):
    return cluster_problems(members, 3, replica_state, synchronous=synchronous)


def test_a_leader_with_two_following_replicas_is_whole():
    assert problems(LEADER, SYNC, REPLICA) == []


def test_the_synchronous_replica_takes_over_before_one_that_lags_less():
    assert best_candidate([LEADER, REPLICA | {"lag": 0}, SYNC | {"lag": 9}]) == "db-2"


def test_a_replica_that_does_not_follow_never_takes_over():
    assert best_candidate([LEADER, SYNC | {"state": "stopped"}]) is None


COPYING = {"name": "db-3", "role": "replica", "state": "creating replica"}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ((LEADER, SYNC, COPYING), True),
        ((LEADER, SYNC, REPLICA), False),
        ((SYNC, COPYING), False),  # from nobody
    ],
)
def test_a_copy_of_the_leader_is_waited_for(monkeypatch, members, expected):
    monkeypatch.setattr(patroni_probe, "_context", lambda: None)
    monkeypatch.setattr(patroni_probe.Patroni, "get", lambda *_: {"members": [*members]})

    assert is_copying(members) is expected
    wanted = ("4", "streaming", "any")  # one more than there are
    code = patroni_probe.check_cluster("db-1", wanted, ())
    assert code == (patroni_probe.NEARER if expected else 1)


COPIED = {"role": "replica", "state": "running", "replication_state": "streaming"}


@pytest.mark.parametrize(
    ("member", "replica_state", "expected"),
    [
        (COPIED, "streaming", True),
        (COPIED | {"replication_state": "in archive recovery"}, "streaming", False),
        (COPIED | {"state": "creating replica"}, "streaming", False),
        ({"role": "replica", "state": "running"}, "running", True),  # Patroni 3 tells no more
        ({"role": "primary", "state": "running"}, "running", False),
        ({"state": "Patroni does not answer"}, "streaming", False),
    ],
)
def test_a_copy_is_done_when_the_member_itself_says_that_it_follows(
    member, replica_state, expected
):
    assert follows(member, replica_state) is expected


def test_a_copy_has_begun_when_the_old_server_is_gone_even_if_a_new_one_runs():
    before = {"state": "running", "postmaster_start_time": "10:00"}

    assert not has_begun(before, before)
    assert has_begun(before, {"state": "creating replica"})
    assert has_begun(before, before | {"postmaster_start_time": "10:05"})


def test_a_missing_leader_is_a_problem():
    assert "0 leaders run" in problems(SYNC, REPLICA | {"name": "db-1"}, REPLICA)


def test_a_leader_that_only_starts_is_none():
    assert "0 leaders run" in problems(LEADER | {"state": "starting"}, SYNC, REPLICA)


def test_a_replica_that_does_not_follow_is_a_problem():
    assert problems(LEADER, SYNC, REPLICA | {"state": "running"}) == ["db-3 is running"]


def test_older_patroni_calls_a_following_replica_running():
    older = [LEADER, SYNC | {"state": "running"}, REPLICA | {"state": "running"}]

    assert problems(*older, replica_state="running") == []


def test_a_member_that_never_came_is_a_problem():
    assert problems(LEADER, SYNC) == ["1 of 3 members are missing"]


def test_a_synchronous_replica_is_awaited_where_it_is_wanted():
    members = (LEADER, REPLICA, REPLICA | {"name": "db-2"})

    assert problems(*members) == ["no replica is synchronous"]
    assert problems(*members, synchronous=False) == []


def test_a_configuration_that_says_what_is_wanted_needs_no_change():
    assert patch({"ttl": 20, "pause": True}, {"ttl": 20}) == {}


def test_only_what_differs_is_changed():
    now = {"ttl": 30, "loop_wait": 5, "postgresql": {"use_slots": True}}
    wanted = {"ttl": 20, "loop_wait": 5, "postgresql": {"use_slots": True, "use_pg_rewind": True}}

    assert patch(now, wanted) == {"ttl": 20, "postgresql": {"use_pg_rewind": True}}


def test_a_parameter_that_nobody_wants_any_more_goes():
    now = {"postgresql": {"parameters": {"max_connections": "500", "wal_keep_size": "1GB"}}}
    wanted = {"postgresql": {"parameters": {"max_connections": "250"}}}

    assert patch(now, wanted) == {
        "postgresql": {"parameters": {"max_connections": "250", "wal_keep_size": None}}
    }


MARKED = {"pending_restart": True}


@pytest.mark.parametrize(
    ("leader", "replica", "leader_first", "turns"),
    [
        (MARKED, MARKED, True, ["db-1"]),
        (MARKED, MARKED, False, ["db-2"]),
        (MARKED, {}, False, ["db-1"]),
        ({}, MARKED, True, ["db-2"]),
        ({}, {}, True, []),
    ],
)
def test_restarts_follow_the_safe_order(leader, replica, leader_first, turns):
    members = (LEADER | leader, SYNC | replica, REPLICA)

    found = [
        m["name"] for m in members if is_in_turn(members, m["name"], leader_first=leader_first)
    ]

    assert found == turns


class Store:
    """What an etcd cluster knows of users, shared by all its members."""

    def __init__(self):
        self.users = {}
        self.roles = set()
        self.grants = set()
        self.demands_users = False
        self.calls = []


class MemoryEtcd(Etcd):
    """The gateway's calls on a Store; `before` may act for another node first."""

    def __init__(self, store, before=lambda path: None):
        self._store, self._before, self._token = store, before, None

    def call(self, path, body):
        self._before(path)
        store = self._store
        store.calls.append(path)
        if path == "auth/authenticate":
            return self._authenticate(body)
        if store.demands_users and self._token != "token of root":
            raise Refusal(f"{path}: etcdserver: user name is empty")
        return self._change(path, body)

    def _change(self, path, body):
        store = self._store
        match path:
            case "auth/user/add" if body["name"] in store.users:
                raise Refusal("etcdserver: user name already exists")
            case "auth/role/add" if body["name"] in store.roles:
                raise Refusal("etcdserver: role name already exists")
            case "auth/user/add" | "auth/user/changepw":
                store.users[body["name"]] = body["password"]
            case "auth/role/add":
                store.roles.add(body["name"])
            case "auth/user/grant":
                store.grants.add((body["user"], body["role"]))
            case "auth/enable":
                assert ("root", "root") in store.grants
                store.demands_users = True
        return {}

    def _authenticate(self, body):
        if not self._store.demands_users:
            raise Refusal("etcdserver: authentication is not enabled")
        if self._store.users.get(body["name"]) != body["password"]:
            raise Refusal("etcdserver: authentication failed, invalid user ID or password")
        return {"token": f"token of {body['name']}"}


@pytest.fixture
def store(monkeypatch):
    monkeypatch.setenv("ETCD_ROOT_PASSWORD", "root-secret")
    monkeypatch.setenv("ETCD_PATRONI_PASSWORD", "patroni-secret")
    found = Store()
    monkeypatch.setattr(etcd_probe, "Etcd", lambda host: MemoryEtcd(found))
    return found


def test_users_are_made_before_they_are_demanded(store):
    enable("db-1")

    assert store.users == {"root": "root-secret", "patroni": "patroni-secret"}
    assert store.grants == {("root", "root"), ("patroni", "patroni")}
    assert store.calls[-1] == "auth/enable"


def test_a_second_time_changes_nothing_and_locks_nobody_out(store):
    enable("db-1")
    before = dict(store.users)

    enable("db-1")

    assert (store.users, store.demands_users) == (before, True)


def test_an_interrupted_run_is_taken_up_with_the_present_passwords(store):
    store.users["root"] = "password of the run before"

    enable("db-1")

    assert store.users["root"] == "root-secret"


def test_a_changed_password_of_patroni_reaches_etcd(store, monkeypatch):
    enable("db-1")
    monkeypatch.setenv("ETCD_PATRONI_PASSWORD", "new-secret")

    enable("db-1")

    assert store.users["patroni"] == "new-secret"


def test_a_wrong_root_password_is_told(store, monkeypatch):
    enable("db-1")
    monkeypatch.setenv("ETCD_ROOT_PASSWORD", "another")

    with pytest.raises(Refusal, match="refuses the password of its user root"):
        enable("db-1")


def test_a_run_that_lacks_roots_password_is_refused_before_it_begins(store, monkeypatch, capsys):
    """Only root could change it; half a run later etcd would still know the former one."""
    enable("db-1")
    monkeypatch.setenv("ETCD_ROOT_PASSWORD", "another")

    assert etcd_probe.main(["authenticated", "db-1"]) == etcd_probe.REFUSED
    what, remedy = capsys.readouterr().out.splitlines()
    assert "user root" in what
    assert "back into the secrets" in remedy


def test_an_etcd_that_demands_no_passwords_yet_is_not_refused(store):
    assert etcd_probe.main(["authenticated", "db-1"]) == 1


def test_two_nodes_may_do_it_at_the_same_time(store, monkeypatch):
    """The other one finishes while this one is about to make the role."""
    others = iter([None])

    def other_node(path):
        if path == "auth/role/add" and next(others, "done") is None:
            enable_of_other("db-2")

    def enable_of_other(host):
        etcd_probe._enable(MemoryEtcd(store))

    monkeypatch.setattr(etcd_probe, "Etcd", lambda host: MemoryEtcd(store, other_node))

    enable("db-1")

    assert store.demands_users
    assert store.users == {"root": "root-secret", "patroni": "patroni-secret"}


@pytest.fixture
def patroni(monkeypatch):
    """Let Patroni answer GET by what is put here; yield what it is asked to change."""
    answers, changes = [], []

    def ask(member, method, path, body=None):
        if method == "GET":
            return answers.pop(0)
        changes.append((path, json.loads(body)))
        return 200, b""

    monkeypatch.setattr(patroni_probe, "_context", lambda: None)
    monkeypatch.setattr(patroni_probe, "_POLL_S", 0)
    monkeypatch.setattr(patroni_probe.Patroni, "_ask", ask)
    monkeypatch.setenv("PATRONI_CONFIG", '{"ttl": 30}')
    return answers, changes


@pytest.mark.parametrize(("ttl", "sent"), [(30, []), (20, [("/config", {"ttl": 30})])])
def test_a_configuration_that_says_what_is_wanted_is_not_sent_again(patroni, ttl, sent):
    """Patroni answers a change that is empty with status 400."""
    answers, changes = patroni
    answers.append((200, json.dumps({"ttl": ttl}).encode()))

    assert change_config("db-1", "patroni") == 0
    assert changes == sent


def test_the_configuration_of_a_member_that_has_just_begun_to_lead_is_awaited(patroni):
    answers, changes = patroni
    answers += [(502, b""), (200, b'{"ttl": 20}')]

    assert change_config("db-1", "patroni") == 0
    assert changes == [("/config", {"ttl": 30})]


def test_a_configuration_that_never_comes_is_told_with_its_status(patroni, monkeypatch):
    answers, changes = patroni
    monkeypatch.setattr(patroni_probe, "_WRITTEN_S", -1)
    answers.append((502, b""))

    with pytest.raises(patroni_probe.Refusal, match="GET /config: 502"):
        change_config("db-1", "patroni")
    assert changes == []
