"""Certificates that the user brought and that nobody trusts any more once a CA has gone."""

from collections.abc import Iterator

from installer.config.files import named_files
from installer.config.source import path_text
from installer.errors import Problem
from installer.inventory import Inventory
from installer.pki.chain import leads_to
from installer.pki.listing import facts_or_none


def outgoing_problems(inventory: Inventory, going: bytes, staying: bytes) -> Iterator[Problem]:
    """Yield a problem for each certificate of the settings that only the CA that goes vouches for.

    Both are PEM. What another CA has issued is none of this change's.
    """
    for path, file in named_files(inventory.settings):
        found = inventory.path.parent / file.expanduser()
        content = found.read_bytes()
        if _is_leaf(content) and leads_to(content, going) and not leads_to(content, staying):
            yield Problem(
                where=path_text(("settings", *path)),
                file=str(found),
                what=(
                    "this certificate was issued by the CA that goes: "
                    "after step 4 no client of the new CA accepts it"
                ),
                remedy=(
                    f"have the first CA of {inventory.certificates_path / 'ca.crt'} issue another, "
                    "put it there, and run "
                    f"`cfy_manager certificates replace -i {inventory.path}`, "
                    "then `certificates rollover` again"
                ),
                code="rollover-brought-certificate",
            )


def _is_leaf(content: bytes) -> bool:
    """Tell a certificate from a key, and from a file of CAs."""
    facts = facts_or_none(content)
    return facts is not None and not facts.is_authority
