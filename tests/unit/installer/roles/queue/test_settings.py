import pytest

from installer.roles.queue.settings import Member


def test_a_broker_without_members_is_a_cluster_of_one_on_its_private_address(queue):
    settings = queue(cluster_members={}, nodename=None)

    assert (Member(name="host-2", address="10.0.0.22"),) == settings.members
    assert settings.peers == ()


def test_the_member_to_join_comes_first(queue):
    """RabbitMQ starts a new cluster on the first node of the list."""
    settings = queue(join_cluster="mq-3")

    assert [member.name for member in settings.members] == ["mq-3", "mq-1", "mq-2"]


@pytest.mark.parametrize(("release", "rounds"), [("bookworm", 10), ("trixie", 120)])
def test_debian_12_does_not_look_for_other_members_for_long(queue, release, rounds):
    """Its first broker holds the others up meanwhile: a cluster took 91 s instead of 35."""
    assert queue(release=release).discovery_rounds == rounds


def test_a_host_name_with_dots_needs_long_node_names(queue):
    members = {"mq-1.example.org": {"networks": {"default": "10.0.0.21"}}}

    assert queue(cluster_members=members).use_long_names
    assert not queue().use_long_names


@pytest.mark.parametrize(
    ("address", "erlang"),
    [
        ("10.0.0.21", "{10,0,0,21}"),
        ("fd00::21", "{16#fd00,16#0000,16#0000,16#0000,16#0000,16#0000,16#0000,16#0021}"),
        ("mq-1.example.org", None),
    ],
)
def test_addresses_are_written_as_erlang_writes_them(address, erlang):
    assert erlang == Member(name="mq-1", address=address).erlang_address


@pytest.mark.parametrize(
    ("count", "handling"), [(1, "ignore"), (2, "ignore"), (3, "pause_minority")]
)
def test_only_clusters_that_can_have_a_majority_pause_the_minority(queue, count, handling):
    members = {f"mq-{n}": {"networks": {"default": f"10.0.0.{n}"}} for n in range(1, count + 1)}

    assert handling == queue(cluster_members=members).partition_handling


def test_brokers_with_ipv6_addresses_only_talk_over_ipv6(queue):
    members = {f"mq-{n}": {"networks": {"default": f"fd00::{n}"}} for n in (1, 2, 3)}

    assert queue(cluster_members=members).distribution_protocol == "inet6_tls"
    assert queue().distribution_protocol == "inet_tls"


def test_secrets_do_not_show_in_the_settings(queue):
    shown = repr(queue())

    assert "pass-word-1" not in shown
    assert "cookie-of-the-cluster" not in shown
