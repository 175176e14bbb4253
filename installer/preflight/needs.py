"""What each role needs of a machine, and by what its services are known there."""

from collections.abc import Mapping
from dataclasses import dataclass

from installer.inventory import Role

GIB = 1 << 30
MIB = 1 << 20

ETCD_DATA = "/var/lib/etcd/data"
DATABASE_DATA = "/var/lib/postgresql"
BUNDLE = "/var/lib/cfy_manager"
COMMON_FOLDERS = ("/", "/etc", "/usr", "/opt", "/var", "/var/lib", "/tmp", BUNDLE)  # noqa: S108

# where the data of each role are
ROLE_FOLDERS: Mapping[Role, tuple[str, ...]] = {
    Role.DATABASE: (DATABASE_DATA, ETCD_DATA),
    Role.QUEUE: ("/var/lib/rabbitmq",),
    Role.MANAGER: ("/opt/manager",),
    Role.LOADBALANCER: (),
}

# room that each of them needs for the first weeks
SPACE: Mapping[str, int] = {
    DATABASE_DATA: 1 * GIB,
    ETCD_DATA: 1 * GIB,
    "/var/lib/rabbitmq": GIB // 2,
    "/opt/manager": 1 * GIB,
}

# the first file that an installation of ours writes for each role
MARKS: Mapping[Role, str] = {
    Role.DATABASE: "/etc/systemd/system/etcd.service",
    Role.QUEUE: "/etc/systemd/system/rabbitmq-server.service.d/10-configured.conf",
    Role.MANAGER: "/etc/systemd/system/nginx.service.d/10-configured.conf",
    Role.LOADBALANCER: "/etc/systemd/system/haproxy.service.d/10-configured.conf",
}

UNITS: Mapping[Role, tuple[str, ...]] = {
    Role.DATABASE: ("etcd.service", "patroni.service"),
    Role.QUEUE: ("rabbitmq-server.service",),
    Role.MANAGER: (
        "nginx.service",
        "cloudify-restservice.service",
        "cloudify-mgmtworker.service",
        "cloudify-syncthing.service",
        "cloudify-file-sync.service",
    ),
    Role.LOADBALANCER: ("haproxy.service", "keepalived.service"),
}


DISTRIBUTION_UNIT = "postgresql.service"  # Debian's own way to start clusters

# epmd is started by whoever comes first: the broker, or the package's socket
HELPERS = ("epmd.service", "epmd.socket", "init.scope")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service of ours that somebody may run already: its package, processes and data."""

    name: str
    code: str  # of the check that nobody else runs it
    roles: tuple[Role, ...]
    package: str  # regular expression of its name
    processes: tuple[str, ...]
    data: tuple[str, ...] = ()  # patterns of paths that are there once it has run


SERVICES = (
    Service(
        name="postgresql",
        code="foreign-postgresql",
        roles=(Role.DATABASE,),
        package=r"postgresql-\d+|postgresql-server-\d+|patroni",
        processes=("postgres", "patroni"),
        data=(f"{DATABASE_DATA}/*/*/PG_VERSION",),
    ),
    Service(
        name="etcd",
        code="foreign-etcd",
        roles=(Role.DATABASE,),
        package="etcd|etcd-server",
        processes=("etcd",),
        data=("/var/lib/etcd/*/member",),
    ),
    Service(
        name="rabbitmq",
        code="foreign-rabbitmq",
        roles=(Role.QUEUE,),
        package="rabbitmq-server",
        processes=("beam.smp",),
        data=("/var/lib/rabbitmq/mnesia/*",),
    ),
    Service(
        name="nginx",
        code="foreign-nginx",
        roles=(Role.MANAGER,),
        package="nginx",
        processes=("nginx",),
        data=("/opt/manager/resources/*",),
    ),
    Service(
        name="haproxy",
        code="foreign-haproxy",
        roles=(Role.LOADBALANCER,),
        package="haproxy",
        processes=("haproxy", "keepalived"),
    ),
)
