"""Whether the node's own package sources answer, and what they offer."""

from __future__ import annotations

import glob
import re
import time

from installer.engine.node.facts_system import text_of
from installer.engine.node.script import run_command
from installer.engine.node.side_by_side import side_by_side

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_TOOL_S = 20
_ANSWERED_S = 3.0


def offered(names: list[str]) -> list[str]:
    """Return those of these packages that apt could install; none are asked for: none."""
    if not names:
        return []
    said = run_command(["apt-cache", "policy", *names], timeout_s=_TOOL_S)["stdout"]
    parts = re.findall(r"^(\S+):\n(?:  .*\n)*?  Candidate: (\S+)", said, re.M)
    return [name for name, candidate in parts if candidate != "(none)"]


def first_bytes() -> dict[str, Any]:
    """Return by address the seconds until a source's first byte, or why there was none."""

    found: dict[str, Any] = {address: "no answer" for address in _addresses()}

    def ask(address: str) -> None:
        found[address] = _first_byte(address)

    side_by_side([(ask, (address,)) for address in list(found)], _ANSWERED_S)
    return dict(found)


def _addresses() -> list[str]:
    """Return where apt would fetch the index of each source from."""
    found = []
    for path in ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*.list")]:
        line = re.compile(r"^deb\s+(?:\[[^]]*\]\s+)?(https?://\S+)\s+(\S+)", re.M)
        found += line.findall(text_of(path))
    for path in glob.glob("/etc/apt/sources.list.d/*.sources"):
        for part in text_of(path).split("\n\n"):
            place = re.search(r"^URIs:\s*(https?://\S+)", part, re.M)
            suite = re.search(r"^Suites:\s*(\S+)", part, re.M)
            if place and suite and not re.search(r"^Enabled:\s*no", part, re.M):
                found.append((place.group(1), suite.group(1)))
    return sorted({f"{place.rstrip('/')}/dists/{suite}/InRelease" for place, suite in found})


def _first_byte(address: str) -> Any:
    import urllib.error
    import urllib.request

    scheme = address.partition(":")[0]
    said = run_command(["apt-config", "dump", f"Acquire::{scheme}::Proxy"], timeout_s=_TOOL_S)
    proxy = re.search(r'"(\S+)"', said["stdout"])
    chosen = {scheme: proxy.group(1)} if proxy and proxy.group(1) != "DIRECT" else {}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(chosen))
    began = time.monotonic()
    try:
        with opener.open(address, timeout=_ANSWERED_S) as answer:
            answer.read(1)
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))
    return time.monotonic() - began
