"""Write the reference page of all error codes from the catalogue.

`python -m installer.catalogue.reference` writes it again after a change of an entry.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from installer.catalogue import Entry, entries

_HEAD = (
    "<!-- Made from installer/catalogue/*.yaml by `python -m installer.catalogue.reference`. -->"
)

_INTRO = """\
# Error codes

A problem whose cause is known ends in its code, in `[brackets]`.
`cfy_manager explain CODE` prints what stands here, without any network;
`cfy_manager explain --list` prints all codes.
A preflight check is waived by its code.
"""

_FAMILIES = {
    "network": "Network matrix: what two nodes cannot do with each other",
    "preflight": "Preflight: what a node lacks before anything is changed",
    "rules": "Rules: what a configuration or an inventory says wrongly",
    "run": "Runs: why a command refused to begin, or stopped",
    "signatures": "Signatures: known causes of a gate or step that failed",
    "status": "Status: what is wrong with a cluster that runs",
}


def errors_page() -> str:
    """Return docs/reference/errors.md."""
    parts = [_HEAD, "", _INTRO]
    for family, members in groupby(entries(), key=lambda found: found.family):
        parts += [f"## {_FAMILIES.get(family, family.capitalize())}", ""]
        for found in members:
            parts += [*_section(found), ""]
    return "\n".join(parts)


def _section(found: Entry) -> Iterator[str]:
    yield f"### {found.code}"
    yield ""
    yield f"{found.title}."
    yield ""
    yield f"- **Cause:** {_plain(found.cause)}"
    yield f"- **Evidence:** {_plain(found.evidence)}"
    for step in found.next:
        yield f"- **Next:** {_plain(step) if step[:1].isupper() else f'`{step}`'}"
    if found.see:
        yield f"- **See:** {'; '.join(found.see)}"


def _plain(text: str) -> str:
    return text.replace("<", "&lt;")


def write_page(folder: Path) -> None:
    """Write the page into a folder."""
    (folder / "errors.md").write_text(errors_page(), encoding="utf-8")


if __name__ == "__main__":
    write_page(Path("docs/reference"))
