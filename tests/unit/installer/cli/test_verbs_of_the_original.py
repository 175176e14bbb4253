"""Each verb of Cloudify's own installer exists here, or a page says what replaces it."""

import re
from pathlib import Path

import pytest

from installer.cli import COMMANDS, run

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "verbs-of-the-original.md"
# the commands of cfy_manager 5.0.5 to 7, by their --help
ORIGINAL = (
    *("validate", "install", "configure", "remove", "start", "stop", "restart", "sanity-check"),
    *("add-networks", "update-encryption-key", "create-internal-certs", "create-external-certs"),
    *("create-pkcs12", "generate-test-cert", "reset-admin-password", "image-starter"),
    *("wait-for-starter", "version", "upgrade", "run-init", "certificates replace"),
    *("brokers add", "brokers list", "brokers remove", "dbs list", "dbs add", "dbs remove"),
    *("dbs reinit", "dbs set-master", "dbs shell", "logs fetch", "node get-id", "status-reporter"),
)
ROWS = [line.split("|")[1:4] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
NAMED = " ".join(there for there, _, _ in ROWS)


@pytest.mark.parametrize("verb", ORIGINAL)
def test_the_page_has_every_verb(verb):
    assert re.search(rf"`{re.escape(verb)}\b", NAMED)


def test_what_the_page_says_is_here_with_the_same_name_is_here():
    same = {
        word
        for there, here, _ in ROWS
        for word in re.findall(r"`([a-z-]+)[ `]", there)
        if f"`{word}`" in here
    }

    assert {"install", "remove", "sanity-check"} <= same
    assert [name for name in same if name not in COMMANDS] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(name, capsys):
    assert run([name, "-h"]) == 0

    said = capsys.readouterr().out
    assert re.search(r"\n(Commands|[A-Z].* day \d|Day \d.*):\n", said) or re.search(
        rf"(Examples?: |\n +)cfy_manager {name}", said
    )
