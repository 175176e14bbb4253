"""What dpkg knows of the packages on a node, read from its own file: no process, 10 ms."""

from __future__ import annotations

STATUS = "/var/lib/dpkg/status"
_FIELDS = ("Package", "Status", "Depends", "Pre-Depends", "Provides")
_ABSENT = ("not-installed", "config-files")


def present_packages() -> dict[str, dict[str, str]]:
    """Return the fields of each package whose files are there, in whatever state, by its name."""
    found: dict[str, dict[str, str]] = {}
    for package in _stanzas():
        if not package.get("Status", "").endswith(_ABSENT):
            found.setdefault(package["Package"], {}).update(package)
    return found


def _stanzas() -> list[dict[str, str]]:
    stanzas: list[dict[str, str]] = [{}]
    with open(STATUS, encoding="utf-8", errors="replace") as status:
        for line in status:
            if line == "\n":
                stanzas.append({})
            else:
                key, _, value = line.partition(": ")
                if key in _FIELDS:
                    stanzas[-1][key] = value.rstrip("\n")
    return [stanza for stanza in stanzas if "Package" in stanza]


def needed_by(roots: set[str], packages: dict[str, dict[str, str]]) -> set[str]:
    """Return the present packages that `roots` are or depend on, over any number of steps.

    Of alternatives, and of several that provide one name, each that is present counts.
    """
    providers = _providers(packages)
    needed: set[str] = set()
    left = [name for name in roots if name in packages]
    while left:
        name = left.pop()
        if name not in needed:
            needed.add(name)
            wanted = _names(packages[name], "Depends") | _names(packages[name], "Pre-Depends")
            left += [found for want in wanted for found in providers.get(want, ())]
    return needed


def _providers(packages: dict[str, dict[str, str]]) -> dict[str, set[str]]:
    providers: dict[str, set[str]] = {}
    for name, fields in packages.items():
        for provided in {name} | _names(fields, "Provides"):
            providers.setdefault(provided, set()).add(name)
    return providers


def _names(fields: dict[str, str], key: str) -> set[str]:
    words = fields.get(key, "").replace("|", ",").split(",")
    return {word.split()[0].partition(":")[0] for word in words if word.strip()}
