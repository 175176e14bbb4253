"""Paths on a node and names that several sections of its config.yaml share."""

from installer.config.source import value_at
from installer.inventory import Inventory

CONFIG_PATH = "/etc/cloudify/config.yaml"
SSL_FOLDER = "/etc/cloudify/ssl"
BUNDLE_FOLDER = "/var/lib/cfy_manager/bundle"
CA_FILE = "ca.crt"
CA_PATH = f"{SSL_FOLDER}/{CA_FILE}"

_DEFAULT_USER, _DEFAULT_DATABASE = "cloudify", "cloudify_db"


def application_user(inventory: Inventory) -> str:
    """Return the managers' user of the database."""
    given = value_at(inventory.settings, ("postgresql_client", "cloudify_username"))
    return str(given or _DEFAULT_USER)


def application_database(inventory: Inventory) -> str:
    """Return the managers' database."""
    given = value_at(inventory.settings, ("postgresql_client", "cloudify_db_name"))
    return str(given or _DEFAULT_DATABASE)


def certificate_paths(prefix: str, name: str) -> dict[str, str]:
    """Return the two keys of config.yaml that name a certificate and its key."""
    return {
        f"{prefix}cert_path": f"{SSL_FOLDER}/{name}.crt",
        f"{prefix}key_path": f"{SSL_FOLDER}/{name}.key",
    }
