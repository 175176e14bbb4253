"""The metadata of a flat apt repository, made from what the distribution's lists told."""

import hashlib
from collections.abc import Iterable

from installer.bundle.control import format_stanza
from installer.bundle.lock import LockedPackage


def packages_index(packages: Iterable[LockedPackage]) -> str:
    """Return the file `Packages`; archives are in `pool/` beside it.

    Source: Debian Wiki, "DebianRepository/Format", "Packages Indices".
    """
    return "".join(
        format_stanza(
            {
                **package.control,
                "Filename": f"./pool/{package.file}",
                "Size": str(package.size),
                "SHA256": package.sha256,
            }
        )
        for package in packages
    )


def release_file(index: str, codename: str) -> str:
    """Return the file `Release`, by which apt checks `Packages`.

    It bears no signature: the bundle's own lock names each hash, and the way to a node is an SSH
    connection. Its date is fixed (apt wants one), so that equal packages give equal bytes.
    """
    content = index.encode()
    return (
        f"Origin: cfy_manager\nLabel: cfy_manager\nSuite: {codename}\nCodename: {codename}\n"
        "Date: Tue, 01 Jan 1980 00:00:00 UTC\n"
        f"SHA256:\n {hashlib.sha256(content).hexdigest()} {len(content)} Packages\n"
    )
