import pytest

from installer.roles.manager.model import Peer


def test_database_nodes_keep_the_names_of_the_cluster(manager):
    """Status reports and REST show nodes by name."""
    assert manager().database.hosts == (
        Peer(name="db-1", address="10.0.0.11"),
        Peer(name="db-2", address="10.0.0.12"),
    )
    assert not manager().database.is_external


def test_an_external_database_is_known_by_its_address(manager):
    foreign = manager(
        postgresql_client={"host": "azurepg.example.org", "ssl_client_verification": False},
        postgresql_server={"cluster": {"nodes": None}},
    )

    assert foreign.database.hosts == (
        Peer(name="azurepg.example.org", address="azurepg.example.org"),
    )
    assert foreign.database.is_external
    assert foreign.database.client is None


def test_on_one_host_the_services_meet_at_its_own_address(manager):
    settings = manager(
        services_to_install=["database_service", "queue_service", "manager_service"],
        postgresql_client={"host": "localhost"},
        postgresql_server={"cluster": {"nodes": None}},
        rabbitmq={"cluster_members": None},
    )

    assert settings.database.hosts == (Peer(name="m-1", address="10.0.0.31"),)
    assert [(peer.name, peer.address) for peer in settings.broker.hosts] == [("m-1", "10.0.0.31")]


@pytest.mark.parametrize(
    ("cpus", "gunicorn", "workers"),
    [(1, {}, 2), (2, {}, 4), (64, {}, 12), (2, {"worker_count": 7}, 7), (2, {"cpu_ratio": 3}, 6)],
)
def test_workers_follow_the_processors_unless_given(manager, cpus, gunicorn, workers):
    assert manager(cpus=cpus, restservice={"gunicorn": gunicorn}).rest.workers == workers


def test_one_certificate_serves_every_port(manager):
    (site,) = manager().web.sites

    assert site.ports == site.default_ports == (443, 53333)


def test_an_external_certificate_is_shown_to_clients_only(manager):
    """Load balancers and nodes ask 443 for the node's name and trust the internal CA alone."""
    changed = {"external_cert_path": "public.crt", "external_key_path": "public.key"}

    internal, external = manager(ssl_inputs=changed).web.sites

    assert (internal.name, internal.ports, internal.default_ports) == (
        "m-1",
        (443, 53333),
        (53333,),
    )
    assert (external.ports, external.default_ports) == ((443,), (443,))
    assert external.pair.certificate == b"<public.crt>"


def test_secrets_do_not_show_in_the_settings(manager):
    shown = repr(manager(postgresql_client={"server_password": "owner-pass-1"}))

    for secret in ("admin-pass-1", "db-pass-1", "mq-pass-1", "owner-pass-1", "saltsalt", "ctok-"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("listeners", "internal", "port"),
    [([53333], 443, 53333), ([], 443, 443), ([443], 5443, 5443), ([443, 6443], 5443, 6443)],
)
def test_managers_meet_where_the_internal_certificate_is_shown(manager, listeners, internal, port):
    """They reach one another by address; on the clients' port that may show another certificate."""
    web = manager(
        manager={
            "internal_rest_port": internal,
            "additional_internal_rest_listeners": listeners,
        }
    ).web

    assert web.internal_port == port
