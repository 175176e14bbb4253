"""Shell text that runs one of the role's probes on a node."""

import re
import shlex
from pathlib import Path

_FOLDER = Path(__file__).parent
_OURS = re.compile(
    r"^from installer\.roles\.database\.(\w+) import (?:\([^)]*\)|[^\n]*)\n", re.MULTILINE
)


def _text(name: str) -> str:
    """Return a probe's text; what it imports of ours stands before it, once."""
    text = (_FOLDER / f"{name}.py").read_text()
    return "".join(map(_text, _OURS.findall(text))) + _OURS.sub("", text)


_TEXTS = {
    "etcd": _text("etcd_probe"),
    "etcd-members": _text("etcd_members"),
    "patroni": _text("patroni_probe"),
}


def probe(name: str, *words: object) -> str:
    """Return the text; Python reads the probe from the text itself, so nothing is installed."""
    arguments = shlex.join(str(word) for word in words)
    return f"python3 -I - {arguments} <<'PROBE'\n{_TEXTS[name]}PROBE\n"
