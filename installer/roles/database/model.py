"""One database node as plain values: a member of etcd, Patroni and PostgreSQL."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from installer.backup.settings import BackupSettings
from installer.roles.database.tuning import FAST_FAILOVER, Failover
from installer.secrets import Secret

# to etcd it means IPv6 too; certificates are demanded on all of these ports
_EVERYWHERE = "0.0.0.0"  # noqa: S104


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What differs between the Debian releases."""

    postgresql: int  # major version
    replica_state: str  # how Patroni calls a replica that follows its leader


RELEASES: Mapping[str, Release] = {
    "trixie": Release(postgresql=17, replica_state="streaming"),  # Patroni 4.0, etcd 3.5
    "bookworm": Release(postgresql=15, replica_state="running"),  # Patroni 3.0, etcd 3.4
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A database node of the cluster."""

    name: str
    address: str

    @property
    def host(self) -> str:
        """Return the address as it stands in a URL."""
        return f"[{self.address}]" if ":" in self.address else self.address

    @property
    def bind(self) -> str:
        """Return what a service listens on: a host name stands for every address.

        etcd refuses names in its listen URLs.
        """
        try:
            ipaddress.ip_address(self.address)
        except ValueError:
            return _EVERYWHERE
        return self.host

    @property
    def rest_bind(self) -> str:
        """Return where Patroni's REST API listens: `*` stands for IPv4 and IPv6 there."""
        return "*" if self.bind == _EVERYWHERE else self.bind

    @property
    def network(self) -> str:
        """Return the address as pg_hba.conf wants it."""
        return hba_address(self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A certificate and its key as PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """The node's own pair, the CA that it trusts, and the pairs of users that have their own."""

    node: KeyPair
    ca: bytes
    users: Mapping[str, KeyPair] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """The passwords of a cluster; None where a node that is alone has none."""

    superuser: Secret | None
    replicator: Secret | None
    rewind: Secret | None
    etcd_root: Secret | None
    etcd_patroni: Secret | None
    rest: Secret | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """The database of the managers; its owner's password is known here by its verifier only."""

    database: str
    username: str
    verifier: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may connect to PostgreSQL from outside."""

    is_remote: bool
    clients: tuple[str, ...]  # as pg_hba.conf wants them
    certificate: bool  # clients show a certificate of their user's name besides the password


@dataclass(frozen=True, slots=True, kw_only=True)
class EtcdTiming:
    """How often etcd's leader gives a sign of life, and how long the others wait for one."""

    heartbeat_ms: int = 100  # etcd's own defaults
    election_ms: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """One database node; a single one is a cluster with one member."""

    me: Member
    members: tuple[Member, ...]  # this one included
    release: Release
    cluster_token: Secret
    passwords: Passwords
    certificates: Certificates
    access: Access
    application: Application | None
    rest_user: str
    synchronous_mode: str  # on, strict, off
    node_parameters: Mapping[str, str] = field(hash=False)  # sized for this host
    cluster_parameters: Mapping[str, str] = field(hash=False)  # the same on all members
    failover: Failover = FAST_FAILOVER
    etcd_timing: EtcdTiming = EtcdTiming()
    backup: BackupSettings | None = None

    @property
    def peers(self) -> tuple[Member, ...]:
        """Return the other members."""
        return tuple(member for member in self.members if member.name != self.me.name)

    @property
    def quorum(self) -> int:
        """Return how many members decide."""
        return len(self.members) // 2 + 1

    @property
    def listen_addresses(self) -> str:
        """Return where PostgreSQL listens; replicas and clients come from other machines."""
        return "*" if self.access.is_remote or self.peers else "localhost"

    @property
    def wants_synchronous_standby(self) -> bool:
        """Tell whether a healthy cluster has a replica that acknowledges each commit."""
        return self.synchronous_mode != "off" and len(self.members) > 1

    @property
    def bin_dir(self) -> str:
        """Return where PostgreSQL's programs are: those in /usr/bin are slow Perl wrappers."""
        return f"/usr/lib/postgresql/{self.release.postgresql}/bin"

    @property
    def data_dir(self) -> str:
        """Return PostgreSQL's data directory, none that Debian's own tools would use."""
        return f"/var/lib/postgresql/{self.release.postgresql}/patroni"


def hba_address(text: str) -> str:
    """Return an address, network or host name as pg_hba.conf wants it."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return text
