"""Who lacks the right certificate, password or address is refused, beside one who has them.

Every test first shows that the service answers a client that has everything.
"""

import socket

import pika
import psycopg
import pytest
import requests

from tests.support.tls import refusal, trusting

pytestmark = pytest.mark.cluster

NEEDS_CERTIFICATE = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
WRONG = "not-the-password"
TIMEOUT_S = 30


@pytest.fixture
def beside(cluster):
    """Send this test's own requests from a machine beside the hosts."""
    with cluster.network():
        yield


class TestEtcd:
    @pytest.mark.parametrize("port", [2379, 2380])  # for clients, and for the other members
    def test_a_client_without_certificate_is_refused(self, cluster, port):
        address = cluster.address("db-1")
        member = trusting(cluster.ca, cluster.pair("db-2"))

        with cluster.network("db-2"):
            assert refusal(address, port, member) == ""
            assert refusal(address, port, trusting(cluster.ca)) == NEEDS_CERTIFICATE

    def test_the_certificate_of_another_host_does_not_make_a_member(self, cluster):
        """A member's certificate counts only at the addresses that it is made out to."""
        address = cluster.address("db-1")
        member = trusting(cluster.ca, cluster.pair("db-2"))

        with cluster.network("db-2"):
            assert refusal(address, 2380, member) == ""
        with cluster.network("queue-1"):
            assert refusal(address, 2380, member) == "closed"

    def test_a_certificate_without_password_is_refused(self, cluster, beside):
        token = self.log_in(cluster, cluster.secrets["etcd_patroni_password"]).json()["token"]
        assert self.read(cluster, token).status_code == 200

        answer = self.read(cluster, token=None)

        assert answer.status_code == 400
        assert "user name is empty" in answer.text

    def test_a_wrong_password_is_refused(self, cluster, beside):
        assert self.log_in(cluster, cluster.secrets["etcd_patroni_password"]).status_code == 200

        answer = self.log_in(cluster, WRONG)

        assert answer.status_code == 400
        assert "invalid user ID or password" in answer.text

    def test_patroni_reads_nothing_beyond_its_own_keys(self, cluster, beside):
        token = self.log_in(cluster, cluster.secrets["etcd_patroni_password"]).json()["token"]
        assert self.read(cluster, token, key="L2RiLw==").status_code == 200  # /db/

        answer = self.read(cluster, token, key="L2Vsc2V3aGVyZQ==")  # /elsewhere

        assert answer.status_code == 403
        assert "permission denied" in answer.text

    def log_in(self, cluster, password):
        words = {"name": "patroni", "password": password}
        return self.post(cluster, "/v3/auth/authenticate", words)

    def read(self, cluster, token, key="L2RiLw=="):
        headers = {"Authorization": token} if token else {}
        return self.post(cluster, "/v3/kv/range", {"key": key}, headers=headers)

    def post(self, cluster, path, words, **options):
        url = f"https://{cluster.address('db-1')}:2379{path}"
        pair = cluster.pair("db-1", "client-patroni").files
        return requests.post(
            url, json=words, cert=pair, verify=cluster.ca, timeout=TIMEOUT_S, **options
        )


class TestPatroni:
    def test_a_client_without_certificate_is_refused(self, cluster, beside):
        assert self.ask(cluster, "GET", "/cluster").status_code == 200

        with pytest.raises(requests.exceptions.SSLError, match=NEEDS_CERTIFICATE):
            self.ask(cluster, "GET", "/cluster", cert=None)

    @pytest.mark.parametrize(
        ("method", "path", "body"),  # which change nothing where they are let in
        [("PATCH", "/config", {}), ("POST", "/restart", {"role": "no such role"})],
    )
    @pytest.mark.parametrize("password", [None, WRONG])
    def test_nothing_changes_without_the_password(
        self, cluster, beside, method, path, body, password
    ):
        right = ("patroni", cluster.secrets["patroni_rest_password"])
        assert self.ask(cluster, method, path, json=body, auth=right).status_code != 401
        login = ("patroni", password) if password else None

        answer = self.ask(cluster, method, path, json=body, auth=login)

        assert answer.status_code == 401

    def ask(self, cluster, method, path, **options):
        url = f"https://{cluster.address('db-1')}:8008{path}"
        given = {"cert": cluster.pair("db-1").files, "verify": cluster.ca, "timeout": TIMEOUT_S}
        return requests.request(method, url, **given | options)


class TestPostgreSQL:
    @pytest.fixture
    def right(self, cluster):
        """Return what a manager logs in with; it works from a manager's address."""
        pair = cluster.pair("manager-1", "client-cloudify")
        right = {
            "host": cluster.address("db-1"),
            "dbname": "cloudify_db",
            "user": "cloudify",
            "password": cluster.secrets["cloudify_password"],
            "sslmode": "verify-full",
            "sslrootcert": str(cluster.ca),
            "sslcert": str(pair.certificate),
            "sslkey": str(pair.key),
            "connect_timeout": TIMEOUT_S,
        }
        with cluster.network("manager-1"):
            assert log_in_to_postgresql(right) == "cloudify"
        return right

    def test_a_connection_without_tls_is_refused(self, cluster, right):
        with cluster.network("manager-1"), refused_by_postgresql("no encryption"):
            log_in_to_postgresql(right | {"sslmode": "disable"})

    def test_a_wrong_password_is_refused(self, cluster, right):
        with cluster.network("manager-1"), refused_by_postgresql("password authentication failed"):
            log_in_to_postgresql(right | {"password": WRONG})

    def test_the_right_password_without_certificate_is_refused(self, cluster, right, tmp_path):
        nothing = {"sslcert": str(tmp_path / "no.crt"), "sslkey": str(tmp_path / "no.key")}

        with cluster.network("manager-1"), refused_by_postgresql("valid client certificate"):
            log_in_to_postgresql(right | nothing)

    def test_the_certificate_of_another_user_is_refused(self, cluster, right):
        other = cluster.pair("manager-1")
        pair = {"sslcert": str(other.certificate), "sslkey": str(other.key)}

        with cluster.network("manager-1"), refused_by_postgresql("authentication failed"):
            log_in_to_postgresql(right | pair)

    @pytest.mark.parametrize("elsewhere", [None, "lb-1", "queue-1"])
    def test_an_address_that_is_no_client_of_the_database_is_refused(
        self, cluster, right, elsewhere
    ):
        with cluster.network(elsewhere), refused_by_postgresql("no pg_hba.conf entry for host"):
            log_in_to_postgresql(right)

    def test_a_manager_cannot_log_in_as_superuser(self, cluster, right):
        pair = cluster.pair("db-1", "client-postgres")
        superuser = {
            "user": "postgres",
            "password": cluster.secrets["postgres_password"],
            "sslcert": str(pair.certificate),
            "sslkey": str(pair.key),
        }

        with cluster.network("manager-1"), refused_by_postgresql("no pg_hba.conf entry for host"):
            log_in_to_postgresql(right | superuser)


class TestRabbitMQ:
    def test_a_client_without_tls_finds_no_port(self, cluster, beside):
        address = cluster.address("queue-1")
        socket.create_connection((address, 5671), timeout=TIMEOUT_S).close()

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, 5672), timeout=TIMEOUT_S)

    @pytest.mark.parametrize("login", [("cloudify", WRONG), ("guest", "guest")])
    def test_a_wrong_login_is_refused(self, cluster, beside, login):
        self.connect(cluster, "cloudify", cluster.secrets["rabbitmq_password"]).close()

        with pytest.raises(pika.exceptions.ProbableAuthenticationError, match="ACCESS_REFUSED"):
            self.connect(cluster, *login)

    @pytest.mark.parametrize("login", [None, ("cloudify", WRONG), ("guest", "guest")])
    def test_the_management_api_wants_a_login(self, cluster, beside, login):
        right = ("cloudify", cluster.secrets["rabbitmq_password"])
        assert self.overview(cluster, right).status_code == 200

        assert self.overview(cluster, login).status_code == 401

    def test_the_port_between_brokers_wants_a_certificate(self, cluster, beside):
        address = cluster.address("queue-1")
        assert refusal(address, 25672, trusting(cluster.ca, cluster.pair("queue-2"))) == ""

        assert refusal(address, 25672, trusting(cluster.ca)) == NEEDS_CERTIFICATE

    def connect(self, cluster, username, password):
        address = cluster.address("queue-1")
        return pika.BlockingConnection(
            pika.ConnectionParameters(
                address,
                5671,
                credentials=pika.PlainCredentials(username, password),
                ssl_options=pika.SSLOptions(trusting(cluster.ca), address),
            )
        )

    def overview(self, cluster, login):
        url = f"https://{cluster.address('queue-1')}:15671/api/overview"
        return requests.get(url, auth=login, verify=cluster.ca, timeout=TIMEOUT_S)


class TestManager:
    @pytest.fixture(params=["manager-1", "lb-1"])
    def ask(self, request, cluster, beside):
        """Return what asks a manager, itself or through the load balancer."""
        api = f"https://{cluster.address(request.param)}/api/v3.1"

        def ask(path, method="GET", **options):
            return requests.request(
                method, api + path, verify=cluster.ca, timeout=TIMEOUT_S, **options
            )

        return ask

    @pytest.mark.parametrize("path", ["/status", "/tokens", "/cluster-status", "/managers"])
    def test_a_client_without_login_is_refused(self, cluster, ask, path):
        right = ("admin", cluster.secrets["admin_password"])
        assert ask(path, auth=right).status_code == 200

        assert ask(path).status_code == 401

    @pytest.mark.parametrize("username", ["admin", "nobody"])
    def test_a_wrong_password_is_refused(self, cluster, ask, username):
        right = ("admin", cluster.secrets["admin_password"])
        assert ask("/tokens", auth=right).status_code == 200

        assert ask("/tokens", auth=(username, WRONG)).status_code == 401

    def test_a_forged_token_is_refused(self, cluster, ask):
        token = cluster.secrets["db_status_reporter"]
        assert ask("/managers", headers=bearing(token)).status_code == 200
        forged = token[:-1] + ("a" if token[-1] != "a" else "b")

        assert ask("/managers", headers=bearing(forged)).status_code == 401

    @pytest.mark.parametrize("kind", ["manager", "db", "broker"])
    def test_a_reporter_reads_only_what_it_needs(self, cluster, ask, kind):
        headers = bearing(cluster.secrets[f"{kind}_status_reporter"])
        assert ask("/managers", headers=headers).status_code == 200
        others = ("/tokens", "/user", "/cluster-status", "/brokers", "/config", "/tenants")

        answers = {path: ask(path, headers=headers).status_code for path in others}

        assert answers == dict.fromkeys(others, 403)

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/tokens"),
            ("PUT", "/config/anything"),
            ("DELETE", "/managers/nobody"),
            ("PUT", "/cluster-status/broker/not-its-kind"),
        ],
    )
    def test_a_reporter_changes_nothing(self, cluster, ask, method, path):
        headers = bearing(cluster.secrets["db_status_reporter"])
        assert ask("/managers", headers=headers).status_code == 200

        assert ask(path, method, headers=headers, json={}).status_code == 403


def log_in_to_postgresql(words):
    with psycopg.connect(**words) as connection:
        (user,) = connection.execute("SELECT current_user").fetchone()
        return user


def refused_by_postgresql(why):
    return pytest.raises(psycopg.OperationalError, match=why)


def bearing(token):
    return {"Authentication-Token": token}
