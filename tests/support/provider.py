"""A host that plays a cloud provider: PostgreSQL and RabbitMQ as somebody else runs them.

What is real: Debian's servers, TLS with the provider's own CA, an administrator who is no
superuser, no access to the host's files. What is played: the provider's names, and the gateway
before Azure's single server (programs/single_server_gateway.py).
"""

import io
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.cluster import TOOL, run
from tests.unit.installer.pki.makers import CLIENT, Made, ca, leaf

DATABASE_NAME = "mydb.provider.example"
BROKER_NAME = "mybroker.provider.example"
GATEWAY_PORT = 6432
AZURE_SERVER = "myserver"
ADMINISTRATOR = "administrator"
CERTIFIED_ADMINISTRATOR = "certified_administrator"  # logs in with a certificate besides
CERTIFIED_DATABASE = "certified"
BROKER_USER, BROKER_VHOST, BROKER_PORT = "tenant", "tenant-vhost", 5673
PASSWORD = "Provider-Gave-This-1"

_GATEWAY = Path(__file__).parent / "programs" / "single_server_gateway.py"
_FILES = "/etc/provider"

_POSTGRESQL = """\
listen_addresses = '*'
password_encryption = 'scram-sha-256'
ssl = on
ssl_cert_file = '/etc/provider/postgres.crt'
ssl_key_file = '/etc/provider/postgres.key'
ssl_ca_file = '/etc/provider/clients.crt'
log_statement = 'all'
"""
# Without TLS nobody from outside comes in, as with `rds.force_ssl`; loopback is the gateway's
_HBA = f"""\
local all postgres peer
host all all 127.0.0.1/32 scram-sha-256
hostssl all {CERTIFIED_ADMINISTRATOR} all scram-sha-256 clientcert=verify-full
hostssl {CERTIFIED_DATABASE} all all scram-sha-256 clientcert=verify-full
hostssl all all all scram-sha-256
"""
# The management API is not even there
_RABBITMQ = f"""\
listeners.tcp = none
listeners.ssl.default = {BROKER_PORT}
ssl_options.cacertfile = /etc/provider/ca.crt
ssl_options.certfile = /etc/provider/rabbitmq.crt
ssl_options.keyfile = /etc/provider/rabbitmq.key
"""
_INSTALL = """\
export DEBIAN_FRONTEND=noninteractive
echo 'deb [trusted=yes] file:/root/apt ./' >/etc/apt/sources.list
apt-get update -qq
apt-get install -y -qq -o Dpkg::Options::=--force-unsafe-io postgresql-17 rabbitmq-server >/dev/null
for service in postgres rabbitmq; do chown $service /etc/provider/$service.key; done
mv /etc/provider/provider.conf /etc/postgresql/17/main/conf.d/
install -o postgres -m 640 /etc/provider/pg_hba.conf /etc/postgresql/17/main/pg_hba.conf
mv /etc/provider/rabbitmq.conf /etc/rabbitmq/
systemctl restart postgresql@17-main rabbitmq-server
"""
_ROLES = f"""\
CREATE ROLE {ADMINISTRATOR} LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}';
CREATE ROLE {CERTIFIED_ADMINISTRATOR} LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}';
"""
_TENANT = f"""\
rabbitmqctl --silent delete_user guest
rabbitmqctl --silent delete_vhost /
rabbitmqctl --silent add_vhost {BROKER_VHOST}
rabbitmqctl --silent add_user {BROKER_USER} {PASSWORD}
rabbitmqctl --silent set_permissions -p {BROKER_VHOST} {BROKER_USER} '.*' '.*' '.*'
"""


@dataclass(frozen=True)
class Provider:
    """The host of a sandbox that plays the provider; its CA's certificate is in `folder`."""

    sandbox: str
    host: str
    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "provider-ca.crt"

    @property
    def both_cas(self) -> Path:
        """Return the CA of the servers with the one that issues clients' certificates."""
        return self.folder / "provider-cas.crt"

    def start(self, bundle: Path) -> None:
        """Install and start both servers, with packages of the bundle."""
        self._send(self._certificates(), _FILES)
        self._send(_configuration(), _FILES)
        self._send_packages(bundle)
        self.sh(_INSTALL)
        self.sql(_ROLES)
        self.sh(_TENANT)
        pair = f"{_FILES}/postgres.crt {_FILES}/postgres.key"
        command = f"python3 {_FILES}/gateway.py {GATEWAY_PORT} {AZURE_SERVER} {pair}"
        self.sh(f"systemd-run --quiet --unit=gateway {command}")

    def sql(self, statements: str, database: str = "postgres") -> str:
        """Return what the provider's own superuser gets."""
        words = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
        psql = ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database)
        return run((*self._on, *words, *psql), input=statements).stdout.strip()

    def sh(self, script: str) -> str:
        return run((*self._on, "sh", "-euc", script), timeout_s=300).stdout

    @property
    def _on(self) -> tuple[str, ...]:
        return (*TOOL, "sandbox", "exec", self.sandbox, "--host", self.host, "--")

    def _certificates(self) -> dict[str, bytes]:
        """Return the servers' files, and leave the operator's in the folder."""
        authority, clients = ca("Provider Root"), ca("Provider Clients")
        self.ca.write_bytes(authority.pem)
        self.both_cas.write_bytes(authority.pem + clients.pem)
        for user in (CERTIFIED_ADMINISTRATOR, CERTIFIED_DATABASE):
            self._keep(user, leaf(clients, name=user, hosts=(), usages=(CLIENT,)))
        files = {"ca.crt": authority.pem, "clients.crt": clients.pem}
        for service, name in (("postgres", DATABASE_NAME), ("rabbitmq", BROKER_NAME)):
            made = leaf(authority, name=name, hosts=(name,))
            files |= {f"{service}.crt": made.pem, f"{service}.key": made.key_pem()}
        return files

    def _keep(self, name: str, made: Made) -> None:
        (self.folder / f"{name}.crt").write_bytes(made.pem)
        (self.folder / f"{name}.key").write_bytes(made.key_pem())

    def _send_packages(self, bundle: Path) -> None:
        """Copy what the two servers need, which the host's own apt chooses."""
        index = {name: (bundle / "apt" / name).read_bytes() for name in ("Packages", "Release")}
        self._send(index, "/root/apt")
        listed = self.sh(
            "echo 'deb [trusted=yes] file:/root/apt ./' >/etc/apt/sources.list; apt-get update -qq;"
            "apt-get install --print-uris -y -qq postgresql-17 rabbitmq-server"
        )
        names = [line.split()[1] for line in listed.splitlines()]
        files = {f"pool/{name}": (bundle / "apt/pool" / name).read_bytes() for name in names}
        self._send(files, "/root/apt")

    def _send(self, files: dict[str, bytes], folder: str) -> None:
        script = 'mkdir -p "$0" && tar -x -C "$0"'
        subprocess.run(
            [*self._on, "sh", "-c", script, folder], input=_archive(files), check=True, timeout=120
        )


def _configuration() -> dict[str, bytes]:
    return {
        "provider.conf": _POSTGRESQL.encode(),
        "pg_hba.conf": _HBA.encode(),
        "rabbitmq.conf": _RABBITMQ.encode(),
        "gateway.py": _GATEWAY.read_bytes(),
    }


def _archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o600 if name.endswith(".key") else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
