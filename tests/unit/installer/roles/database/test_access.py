import pytest

from installer.roles.database.access import hba_lines, ident_lines

MEMBERS = ["10.0.0.11/32", "10.0.0.12/32", "10.0.0.13/32"]


def lines_for(db, user):
    rows = [line.split() for line in hba_lines(db)]
    return [row for row in rows if row[2].strip('"') in (user, "all") and row[0] != "local"]


def test_nobody_connects_over_the_network_without_tls(db):
    kinds = {line.split()[0] for line in hba_lines(db())}

    assert kinds == {"local", "hostssl"}


def test_nobody_is_trusted(db):
    methods = {line.split()[4] for line in hba_lines(db()) if not line.startswith("local")}

    assert methods == {"scram-sha-256"}
    assert "local all postgres peer" in hba_lines(db())


def test_on_the_node_itself_patroni_replicates_without_a_password(db):
    """After a restore the database has the passwords of the backup until a primary is elected."""
    (line,) = [line for line in hba_lines(db()) if line.startswith("local replication")]

    name = line.rpartition("map=")[2]

    assert line.split()[:4] == ["local", "replication", "replicator", "peer"]
    assert f"{name} postgres replicator" in ident_lines()


@pytest.mark.parametrize("user", ["postgres", "replicator", "rewind"])
def test_the_clusters_own_users_come_from_its_members_only(db, user):
    assert [row[3] for row in lines_for(db(), user)] == MEMBERS


def test_managers_reach_their_own_database_as_their_own_user_only(db):
    rows = lines_for(db(), "cloudify")

    assert {row[1] for row in rows} == {'"cloudify_db"'}
    assert [row[3] for row in rows[-2:]] == ["10.0.0.31/32", "192.168.7.0/24"]


def test_a_manager_on_the_node_itself_may_connect(db):
    rows = lines_for(db(nodes={}, enable_remote_connections=False), "cloudify")

    assert [row[3] for row in rows] == ["127.0.0.1/32", "::1/128", "10.0.0.12/32"]


def test_where_managers_make_the_database_any_user_may_come_from_them(db):
    lines = hba_lines(db(application={"password_verifier": ""}))

    assert "hostssl all all 10.0.0.31/32 scram-sha-256" in lines


def test_client_verification_demands_the_users_certificate(db):
    with_it, without = (db(ssl_client_verification=wanted) for wanted in (True, False))

    assert all(row[-1] == "clientcert=verify-full" for row in lines_for(with_it, "cloudify"))
    assert all(row[-1] == "scram-sha-256" for row in lines_for(without, "cloudify"))


@pytest.mark.parametrize(
    ("user", "last"),
    [("postgres", "clientcert=verify-full"), ("replicator", "clientcert=verify-full")],
)
def test_a_user_that_has_a_certificate_must_show_it(db, user_certificates, user, last):
    rows = lines_for(db(cluster=user_certificates), user)

    assert {row[-1] for row in rows} == {last}


def test_the_rewinding_user_has_no_certificate(db, user_certificates):
    rows = lines_for(db(cluster=user_certificates), "rewind")

    assert {row[-1] for row in rows} == {"scram-sha-256"}
