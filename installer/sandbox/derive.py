"""An inventory for a sandbox: the original one with the sandbox's own keys and folder."""

from pathlib import Path
from typing import Any

import yaml

from installer.sandbox.record import load, ssh_dir

_HEAD = "# Made by `cfy_manager sandbox up`; it goes away with the sandbox.\n"


def derive_inventory(name: str, source: Path, bundle: Path | None) -> Path:
    """Write and return the inventory by which the controller reaches this sandbox's hosts.

    Secrets, certificates, journal and logs come to lie beside it, and leave with the sandbox.
    Raises ConfigError when there is no such sandbox.
    """
    load(name)
    folder = ssh_dir(name).parent / "cluster"
    folder.mkdir(mode=0o700, exist_ok=True)
    document: dict[str, Any] = yaml.safe_load(source.read_text())
    keys = {"private_key": "id_ed25519", "known_hosts": "known_hosts"}
    own = {key: str(ssh_dir(name) / file) for key, file in keys.items()}
    document["ssh"] = {"user": "root", **own}
    document["secrets"], document["certificates"] = "secrets.yaml", "certificates"
    if bundle is not None:
        document["bundle"] = str(bundle.absolute())
    path = folder / "inventory.yaml"
    path.write_text(_HEAD + yaml.safe_dump(document, sort_keys=False))
    return path
