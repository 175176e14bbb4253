"""The sections in which `-h` shows commands: by when a person needs them."""

from collections.abc import Iterator, Mapping, Sequence

Sections = Mapping[str, Sequence[str]]

ROOT: Sections = {
    "Whole clusters, from the controller": ("cluster", "dbs", "brokers"),
    "Before an installation": (
        *("validate", "import", "certificates", "generate-test-cert", "bundle", "sandbox"),
    ),
    "This node, day 1": ("preflight", "install", "node"),
    "This node, day 2": (
        *("start", "stop", "restart", "sanity-check", "logs", "support-bundle", "version"),
        *("status-reporter", "reset-admin-password", "update-encryption-key", "add-networks"),
        *("upgrade", "remove"),
    ),
    "What messages mean": ("explain",),
}
CLUSTER: Sections = {
    "Look ahead": ("whatif", "forecast", "graph"),
    "Day 1: build it": ("preflight", "plan", "install"),
    "Day 2: watch it": (*("status", "drift", "version", "sanity-check", "logs", "support-bundle"),),
    "Day 2: stop and start": ("may-stop", "restart", "stop", "start"),
    "Day 2: change it": (
        *("add-node", "remove-node", "replace-node", "add-networks", "certificates"),
        *("reset-admin-password", "update-encryption-key", "upgrade"),
    ),
    "Day 2: keep its data safe": ("backup", "restore"),
    "The end": ("remove",),
}
REST = "More commands"


def in_sections(names: Sequence[str], sections: Sections) -> Iterator[tuple[str, list[str]]]:
    """Yield each section with those of its commands that exist; the last one has all others."""
    placed = {name for listed in sections.values() for name in listed}
    for title, listed in sections.items():
        if found := [name for name in listed if name in names]:
            yield title, found
    if others := [name for name in names if name not in placed]:
        yield REST, others
