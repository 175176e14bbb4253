"""Put the sections of a node's roles and the cluster's settings together to its config.yaml."""

from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path

import yaml

from installer.cluster_secrets import SECRET_KINDS, Secrets, with_settings
from installer.config.complete import complete
from installer.config.files import named_files
from installer.config.merge import merged, nested, without, without_defaults
from installer.config.model import Document, NodeInputs
from installer.config.schema import config_schema
from installer.config.source import KeyPath
from installer.expand.certificates import certificate_files
from installer.expand.names import CONFIG_PATH, SSL_FOLDER
from installer.expand.sections import ROLE_SECTIONS, Cluster, common_sections
from installer.inventory import Inventory, Node, Role
from installer.state import ManagedFile

Certificates = Mapping[str, Mapping[str, bytes]]  # node → file name → PEM

_HEAD = "# Managed by the installer. Local edits are replaced at the next run.\n"

# the sections of `settings` that each role uses
_EVERYWHERE = ("validations", "status_reporter", "bundle")
_SETTINGS: Mapping[Role, tuple[str, ...]] = {
    Role.DATABASE: ("postgresql_server", "backup"),
    Role.QUEUE: ("rabbitmq",),
    Role.MANAGER: (
        *("manager", "postgresql_client", "ssl_inputs", "rabbitmq", "flask_security"),
        *("restservice", "nginx", "mgmtworker", "agent", "provider_context", "sanity"),
    ),
    Role.LOADBALANCER: ("loadbalancer",),
}
# keys that the sections of the roles have taken from the settings already
_TAKEN: frozenset[KeyPath] = frozenset(
    [kind.config_path for kind in SECRET_KINDS.values() if kind.config_path]
    + [("postgresql_server", "allowed_clients"), ("postgresql_server", "application")]
)


def expand(
    inventory: Inventory, secrets: Secrets, certificates: Certificates
) -> dict[str, NodeInputs]:
    """Return each node's complete configuration, with the files that it refers to.

    `certificates` hold what `certificate_requests` asks for, and `ca.crt`, for each node; what
    they lack cannot be read, and the configurations are the same.
    """
    cluster = Cluster(inventory, with_settings(secrets, inventory.settings))
    return {
        node.name: _inputs(cluster, node, certificates.get(node.name, {}))
        for node in inventory.nodes
    }


def node_files(inputs: NodeInputs) -> tuple[ManagedFile, ...]:
    """Return a node's config.yaml and what it refers to under /etc/cloudify/ssl, for root only."""
    document = without_defaults(inputs.config, config_schema())
    text = _HEAD + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    paths = sorted({str(path) for _, path in named_files(inputs.config)})
    ssl = [path for path in paths if path.startswith(f"{SSL_FOLDER}/")]
    return (
        ManagedFile(path=CONFIG_PATH, content=text.encode(), mode=0o600, secret=True),
        *(
            ManagedFile(
                path=path, content=inputs.read(path), mode=0o600, secret=path.endswith(".key")
            )
            for path in ssl
        ),
    )


def _inputs(cluster: Cluster, node: Node, issued: Mapping[str, bytes]) -> NodeInputs:
    settings, brought = _settings(cluster.inventory, node)
    sections = [ROLE_SECTIONS[role](cluster, node) for role in node.roles]
    parts = [common_sections(cluster, node), *sections, settings]
    names = certificate_files(cluster.inventory, node)
    files = {f"{SSL_FOLDER}/{name}": issued[name] for name in names if name in issued} | brought
    config = complete(reduce(merged, parts, {}))
    return NodeInputs(name=node.name, config=config, read=_reader(files))


def _reader(files: Mapping[str, bytes]) -> Callable[[str], bytes]:
    def read(path: str) -> bytes:
        try:
            return files[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    return read


def _settings(inventory: Inventory, node: Node) -> tuple[Document, dict[str, bytes]]:
    """Return the settings that a node uses, its files by their paths there, and those files."""
    used = {*_EVERYWHERE, *(section for role in node.roles for section in _SETTINGS[role])}
    wanted = {key: value for key, value in inventory.settings.items() if key in used}
    settings = without(wanted, _TAKEN)
    brought: dict[str, bytes] = {}
    for path, file in named_files(settings):
        target = f"{SSL_FOLDER}/{_file_name(path, file)}"
        settings = merged(settings, nested(path, target))
        brought[target] = (inventory.path.parent / file.expanduser()).read_bytes()
    return settings, brought


def _file_name(path: KeyPath, file: Path) -> str:
    return "-".join(map(str, path)).removesuffix("_path") + file.suffix
