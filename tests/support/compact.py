"""Three compact nodes with two managers behind a load balancer, which keeps their backups too."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from installer.sandbox.inventory import plan_of_inventory
from tests.support.cluster import Cluster, tool
from tests.support.sandbox import Sandbox, sandbox_of

KEEPER = "lb-1"
HELD_BACK = "detailed_queues_endpoint"  # of RabbitMQ 4.0: stable, and not yet required
_FLAGS = (
    "rabbitmq_4.0.0,message_containers_deaths_v2,quorum_queue_non_voters,"
    "rabbit_exchange_type_local_random"
)
_SERVICES = ["database", "queue"]
_REPOSITORY = "/srv/backups"
_DROP_INS = "/etc/systemd/system/rabbitmq-server.service.d"
_FIRST_FLAGS = f"""\
mkdir -p {_DROP_INS}
printf '[Service]\\nEnvironment=RABBITMQ_FEATURE_FLAGS={_FLAGS}\\n' > {_DROP_INS}/05-flags.conf
"""
_INVENTORY: dict[str, Any] = {
    "cluster": {"name": "compact"},
    "ssh": {"user": "root"},
    "nodes": [
        {"name": "node-1", "address": "10.77.0.11", "roles": [*_SERVICES, "manager"], "zone": "a"},
        {"name": "node-2", "address": "10.77.0.12", "roles": [*_SERVICES, "manager"], "zone": "b"},
        {"name": "node-3", "address": "10.77.0.13", "roles": _SERVICES, "zone": "c"},
        {"name": KEEPER, "address": "10.77.0.14", "roles": ["loadbalancer"], "zone": "c"},
    ],
    "load_balancer": {"address": "10.77.0.14"},
    "waive": ["queue-beside-database"],
    "secrets": "secrets.yaml",
    "certificates": "certificates",
    "settings": {"postgresql_server": {"config": {"shared_buffers": "128MB"}}},
}


@contextmanager
def compact_cluster(bundle: Path, folder: Path) -> Iterator[Cluster]:
    """Yield the cluster, installed. CFY_TEST_COMPACT names a sandbox that has its hosts already.

    Its brokers began without one feature flag, as those do that were upgraded from a release
    before it.
    """
    source = folder / "compact.yaml"
    source.write_text(yaml.safe_dump(_INVENTORY))
    if name := os.environ.get("CFY_TEST_COMPACT"):
        yield _installed(Sandbox(name, plan_of_inventory(source)), source, bundle)
        return
    with sandbox_of("compact", source) as made:
        yield _installed(made, source, bundle)


def _installed(sandbox: Sandbox, source: Path, bundle: Path) -> Cluster:
    source.write_text(yaml.safe_dump(_INVENTORY | {"settings": _settings(sandbox)}))
    found = tool("sandbox", "inventory", sandbox.name, "-i", source, "--bundle", bundle)
    cluster = Cluster(sandbox.name, Path(found.strip()))
    cluster.sh(KEEPER, f"mkdir -p {_REPOSITORY}")
    for node in cluster.having("queue"):
        cluster.sh(node, _FIRST_FLAGS)
    cluster.install()
    return cluster


def _settings(sandbox: Sandbox) -> dict[str, Any]:
    """Return the settings, with a repository on the load balancer's host by SFTP."""
    login = {"host": sandbox.address(KEEPER), "user": "root"}
    keys = {
        "private_key_path": str(sandbox.private_key),
        "known_hosts_path": str(sandbox.known_hosts),
    }
    backup = {"repository": "sftp", "path": _REPOSITORY, "sftp": {**login, **keys}}
    return {**_INVENTORY["settings"], "backup": backup}
