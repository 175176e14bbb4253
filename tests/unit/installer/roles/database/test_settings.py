import pytest

from installer.engine.observation import NodeFacts
from installer.errors import ConfigError
from installer.roles.database.model import Member
from installer.roles.database.tuning import FAST_FAILOVER, Failover

SSL = "/etc/cloudify/ssl"


def test_a_node_is_known_by_its_address(db):
    """Host names and the names in config.yaml may differ."""
    assert db().me == Member(name="db-2", address="10.0.0.12")
    assert [peer.name for peer in db().peers] == ["db-1", "db-3"]


def test_a_node_behind_another_address_is_known_by_its_name(db):
    found = db(nodes={"host-1": {"ip": "172.16.0.1"}, "host-2": {"ip": "172.16.0.2"}})

    assert found.me.name == "host-2"


def test_without_a_list_a_node_is_a_cluster_of_its_own(db):
    alone = db(nodes={})

    assert alone.members == (alone.me,) == (Member(name="host-2", address="10.0.0.12"),)
    assert alone.quorum == 1


@pytest.mark.parametrize(("count", "quorum"), [(1, 1), (3, 2), (5, 3)])
def test_most_members_are_a_quorum(db, count, quorum):
    nodes = {f"db-{n}": {"ip": f"10.0.0.{10 + n}"} for n in range(count)}

    assert db(nodes=nodes).quorum == quorum


def test_a_single_node_waits_for_no_replica(db):
    """Strict mode would stop every write."""
    assert not db(nodes={}, cluster={"synchronous_mode": "on"}).wants_synchronous_standby
    assert db().wants_synchronous_standby


def test_the_times_of_a_failover_are_the_configurations(db):
    given = db(cluster={"patroni": {"ttl": 60, "loop_wait": 10, "retry_timeout": 20}})

    assert given.failover == Failover(ttl_s=60, loop_wait_s=10, retry_timeout_s=20)
    assert db().failover == FAST_FAILOVER


def test_the_release_decides_the_versions(db):
    assert db(facts=NodeFacts(release="bookworm")).bin_dir == "/usr/lib/postgresql/15/bin"
    assert db(facts=NodeFacts(release="trixie")).bin_dir == "/usr/lib/postgresql/17/bin"


def test_a_named_major_version_wins_over_the_releases_own(db):
    """A host that came from Debian 12 goes on with the data that it has."""
    found = db(facts=NodeFacts(release="trixie"), major_version=15)

    assert found.bin_dir == "/usr/lib/postgresql/15/bin"
    assert found.data_dir == "/var/lib/postgresql/15/patroni"
    assert found.release.replica_state == "streaming", "Patroni is the release's own"


def test_an_unknown_release_is_a_problem(db):
    with pytest.raises(ConfigError) as error:
        db(facts=NodeFacts(release="sid"))

    (problem,) = error.value.problems
    assert "sid" in problem.what
    assert "trixie" in problem.remedy


def test_without_remote_connections_no_client_is_allowed(db):
    assert db(enable_remote_connections=False).access.clients == ()


def test_remote_connections_without_a_list_are_open_to_all(db):
    assert db(allowed_clients=[]).access.clients == ("all",)


def test_without_a_verifier_the_first_manager_makes_the_database(db):
    assert db(application={"password_verifier": ""}).application is None


def test_no_secret_is_in_the_representation(db):
    assert "-secret" not in repr(db())
    assert f"<{SSL}/node.key>" not in repr(db())


def test_an_ipv6_address_is_bracketed_in_urls(db):
    member = Member(name="db-1", address="fd00::11")

    assert (member.host, member.network) == ("[fd00::11]", "fd00::11/128")


def test_a_host_name_listens_everywhere(db):
    """etcd refuses names in its listen URLs."""
    assert Member(name="db-1", address="db-1.example").bind == "0.0.0.0"


def test_patroni_listens_on_ipv6_too_when_its_address_is_a_name():
    assert Member(name="db-1", address="db-1.example").rest_bind == "*"
    assert Member(name="db-1", address="fd00::11").rest_bind == "[fd00::11]"
