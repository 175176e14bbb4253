"""Debian control data: stanzas of fields, and the relations between packages."""

import re
from collections.abc import Iterable, Iterator, Mapping

Stanza = Mapping[str, str]

# What apt decides by, and what its hash of a version covers (apt, debListParser::VersionHash):
# without one of those, apt would take an installed package for another one of the same version.
_FIELDS = (
    "Package",
    "Version",
    "Architecture",
    "Multi-Arch",
    "Essential",
    "Important",
    "Protected",
    "Priority",
    "Section",
    "Installed-Size",
    "Provides",
    "Pre-Depends",
    "Depends",
    "Conflicts",
    "Breaks",
    "Replaces",
)
_EXACT = re.compile(r"([a-z0-9][a-z0-9+.-]+)(?::[a-z0-9]+)? \(= [^)]+\)")
_AT_LEAST = re.compile(r"([a-z0-9][a-z0-9+.-]+)(?::[a-z0-9]+)? \(>= [^)]+\)")
_STABLE_UPDATE = re.compile(r"deb[0-9]+u[0-9]+")


def parse_stanzas(text: str) -> Iterator[Stanza]:
    """Yield each stanza as fields; continuation lines stay part of their field."""
    for block in text.split("\n\n"):
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line[:1] in (" ", "\t"):
                fields[name] += "\n" + line
            elif ":" in line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        if fields:
            yield fields


def format_stanza(stanza: Stanza) -> str:
    """Return the stanza as text, with the empty line that ends it."""
    return "".join(f"{name}: {value}\n" for name, value in stanza.items()) + "\n"


def essence(stanza: Stanza) -> Stanza:
    """Return only the fields that apt decides by."""
    return {name: stanza[name] for name in _FIELDS if name in stanza}


def status_text(stanzas: Iterable[Stanza]) -> str:
    """Return a dpkg status file in which these packages are installed."""
    installed = {"Status": "install ok installed"}
    return "".join(format_stanza({**essence(stanza), **installed}) for stanza in stanzas)


def exact_names(stanza: Stanza) -> set[str]:
    """Return the names that the package needs in one exact version."""
    return set(_EXACT.findall(_depends(stanza)))


def minimum_names(stanza: Stanza) -> set[str]:
    """Return the names that the package needs from some version on."""
    return set(_AT_LEAST.findall(_depends(stanza)))


def came_by_update(stanza: Stanza) -> bool:
    """Tell whether the version was made for a point release or by the security team."""
    return _STABLE_UPDATE.search(stanza["Version"]) is not None


def _depends(stanza: Stanza) -> str:
    return f"{stanza.get('Pre-Depends', '')}, {stanza.get('Depends', '')}"
