"""Take every secret of a cluster out of a text that leaves it."""

import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from installer.config.model import Document, NodeInputs
from installer.config.schema import config_schema, leaves

MASK = b"********"
_LEAST = 6  # a shorter one is a word of the language as well
_KEY_LINE = 40  # the last line of a key's file may be short
# what no file of ours lists: keys, tokens of users and executions, logins
_FORMS = (
    re.compile(
        rb"(?s)(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    ),
    re.compile(rb"(ctok-[A-Za-z0-9]{6,32}-)[A-Za-z0-9_]{20,128}()"),
    re.compile(rb"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:basic|bearer)\s+)[\w+/=.~-]+()"),
    re.compile(rb"(?i)((?:authentication|execution)-token[\"']?\s*[:=]\s*[\"']?)[\w+/=.~-]+()"),
    re.compile(rb"(SCRAM-SHA-256\$\d+:)[A-Za-z0-9+/=$:]+()"),
    re.compile(rb"(<apikey>)[^<]+(</apikey>)"),
    # what a person wrote into a service's own file; not the name of a file or of a setting
    re.compile(
        rb"(?i)((?:password|password_hash|passphrase|passwd|pass|secret|token|cookie|api_?key)"
        rb"[\"']?\s*[:=]\s*[\"']?)[^\s\"',;}*{$]{6,}()"
    ),
)


class Masker:
    """Replaces secrets by asterisks, as they stand and as they are quoted in JSON and URLs."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spelt = {form for secret in secrets if len(secret) >= _LEAST for form in _spellings(secret)}
        self._needles = sorted(spelt, key=len, reverse=True)  # one may contain another

    def __call__(self, text: bytes) -> bytes:
        """Return the text without secrets."""
        for needle in self._needles:
            text = text.replace(needle, MASK)
        for form in _FORMS:
            text = form.sub(rb"\1" + MASK + rb"\2", text)
        return text


def _spellings(secret: str) -> Iterator[bytes]:
    yield secret.encode()
    yield json.dumps(secret)[1:-1].encode()
    yield urllib.parse.quote(secret, safe="").encode()


def configured_secrets(inputs: Mapping[str, NodeInputs]) -> Iterator[str]:
    """Yield every value that the configuration of any node marks as a secret."""
    for node in inputs.values():
        yield from document_secrets(node.config)


def document_secrets(config: Document) -> Iterator[str]:
    """Yield every secret of a config.yaml."""
    for _, value, field in leaves(config, config_schema()):
        if field.get("x-secret"):
            yield from (str(v) for v in (value if isinstance(value, list) else [value]) if v)


def key_lines(folder: Path) -> Iterator[str]:
    """Yield the lines of every private key below a folder, but for what all keys share."""
    for path in folder.rglob("*.key"):
        lines = path.read_text(encoding="ascii").splitlines()[2:]  # the first one is much the same
        yield from (line for line in lines if len(line) >= _KEY_LINE and "-----" not in line)
