"""Shell text that runs one of the role's probes on a node."""

import shlex
from pathlib import Path

_FOLDER = Path(__file__).parent
_TEXTS = {name: (_FOLDER / f"{name}_probe.py").read_text() for name in ("etcd", "patroni")}


def probe(name: str, *words: object) -> str:
    """Return the text; Python reads the probe from the text itself, so nothing is installed."""
    arguments = shlex.join(str(word) for word in words)
    return f"python3 -I - {arguments} <<'PROBE'\n{_TEXTS[name]}PROBE\n"
