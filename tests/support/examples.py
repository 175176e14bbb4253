"""The shipped inventories, with the files that an operator puts beside some of them."""

import shutil
from pathlib import Path

from installer.pki.authority import create_authority, issue_leaf
from installer.pki.request import LeafRequest, Usage

FOLDER = Path(__file__).parents[2] / "inventories"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def copy_examples(folder: Path) -> Path:
    """Copy all inventories into a folder, and make the files that they name."""
    for path in FOLDER.glob("*.yaml"):
        shutil.copy(path, folder)
    authority = create_authority("Company CA")
    names = ("example.com", "*.example.com")
    leaf = issue_leaf(
        authority,
        LeafRequest(common_name="example.com", dns_names=names, usages=(Usage.SERVER,)),
    )
    for name in ("rds-global-bundle.pem", "brokers-ca.pem", "company-ca.crt"):
        (folder / name).write_bytes(authority.certificate)
    (folder / "example.com.crt").write_bytes(leaf.certificate)
    (folder / "example.com.key").write_bytes(leaf.key)
    return folder
