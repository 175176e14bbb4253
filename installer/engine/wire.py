"""Turn requests into text for a node's agent, and what it answers into a value.

The agent is started by a constant one-liner of Python; itself, its programs and their requests
follow on stdin and each answer comes back as one marked line. So nothing is limited by the length
of a command line, nothing is seen in `ps` or in a debug log, noise of a login shell is ignored, and
bytes of any encoding pass. Both directions speak Python literals: `json` would cost more on the
node than the work.
"""

import ast
import binascii
import zlib
from collections.abc import Container
from functools import cache
from pathlib import Path
from typing import Any

from installer.errors import Problem

MARK = "cfy_manager:"
EXIT = "cfy_manager-exit:"
BEGAN = "cfy_manager-began"

_PACKAGE = "installer.engine.node"
_SOURCES = Path(__file__).parent / "node"
_START = "import sys,zlib,binascii as b;exec(zlib.decompress(b.a2b_base64(sys.stdin.readline())))"
_FACTS = ("facts_system", "facts_disk", "facts_network", "facts_software", "facts_sources")
_RECORD = ("files", "written", "writing")
_PACKAGES = ("base", "script", *_RECORD, "observe", "dpkg", "record", "units", "packages")
_NEEDS = {  # program: the modules it is made of, in order of import
    "script": ("base", "script"),
    "observe": ("base", "script", "written", "observe"),
    "observe-paths": ("base", "written", "observe"),
    "state": ("base", "script", *_RECORD, "record", "users", "units", "state"),
    "state-paths": ("base", *_RECORD, "state"),
    "units": ("base", "script", "files", "units"),
    "packages": _PACKAGES,
    "upgrade": (*_PACKAGES, "upgrade"),
    "removal": ("base", "script", *_RECORD, "dpkg", "record", "removal"),
    "writing": ("base", *_RECORD),
    "gate": ("base", "script", "probes", "diagnose", "gate"),
    "diagnose": ("base", "script", "probes", "diagnose"),
    "step": ("base", "script", "step"),
    "facts": ("base", "script", "written", "observe", "side_by_side", *_FACTS, "facts"),
    "logs": ("base", "logs"),
    "support": ("base", "script", "side_by_side", "written", "support"),
    "clock": ("clock",),
    "listen": ("base", "tls", "listen"),
    "listen-end": ("base", "tls", "listen", "listen_end"),
    "handshake": ("base", "tls", "way", "side_by_side", "handshake"),
    "connect": ("base", "tls", "way", "side_by_side", "connect"),
    "status": ("base", "written", "dpkg", "tls", "asks", "sql", "status"),
}


def command(*, sudo: bool) -> str:
    """Return the shell line that starts an agent; it exits 0 whatever happens.

    Why it failed stands before its exit: two streams over SSH arrive in either order.
    """
    root = "sudo -n -H " if sudo else ""
    return f"{root}python3 -I -S -c '{_START}' 2>&1 || echo {EXIT}$?"


@cache
def agent_text() -> str:
    """Return the first line for an agent's stdin: itself."""
    source = (_SOURCES / "agent.py").read_text()
    text = f"{source}\nserve({_PACKAGE!r}, {MARK!r}, {EXIT!r}, {BEGAN!r})\n"
    return _line(text)


def modules_of(program: str) -> tuple[str, ...]:
    """Return the modules that a program is made of, in order of import."""
    return _NEEDS[program]


def request_text(
    program: str, request: dict[str, Any], *, limit_s: int, known: Container[str] = ()
) -> str:
    """Return the lines for an agent's stdin that run a program, bounded on the node as well.

    Modules that the agent knows are not sent again.
    """
    sources = tuple((name, _source(name)) for name in modules_of(program) if name not in known)
    return _line(repr((limit_s, modules_of(program)[-1], sources))) + _line(repr(request))


def _line(text: str) -> str:
    return binascii.b2a_base64(zlib.compress(text.encode(), 1)).decode()


@cache
def _source(name: str) -> str:
    return (_SOURCES / f"{name}.py").read_text()


def read_reply(node: str, stdout: list[str], stderr: list[str]) -> Any:
    """Return the value of the node's answer, or the Problem that it tells."""
    marked = [line for line in stdout if line.startswith(MARK)]
    if not marked:
        return _no_reply(node, stdout, stderr)
    raw = zlib.decompress(binascii.a2b_base64(marked[-1].removeprefix(MARK)))
    kind, *told = ast.literal_eval(raw.decode())
    if kind == "ok":
        return told[0]
    if kind == "failure":
        where, what, remedy = told
        return Problem(where=f"{node}: {where}", what=what, remedy=remedy)
    return Problem(
        where=node,
        what=f"the engine's program failed there: {told[0]}",
        remedy="run again with -v and report the log file",
    )


def _no_reply(node: str, stdout: list[str], stderr: list[str]) -> Problem:
    code = next((line.removeprefix(EXIT) for line in stdout if line.startswith(EXIT)), None)
    said = " / ".join(line.strip() for line in stderr[-4:] if line.strip())
    if code is None:
        what, remedy = "the connection ended during a command", "check the host and run again"
    elif "sudo" in said and "password" in said:
        what, remedy = "sudo wants a password", "log in as root or allow NOPASSWD for this user"
    elif code == "127" and "sudo" in said:
        what, remedy = "sudo is missing", "log in as root or install sudo"
    elif code == "127":
        what, remedy = "python3 is missing", "run `apt-get install python3-minimal` on the host"
    elif code in ("137", "142"):
        what, remedy = "a command did not end within its time", "look at the host's load and disks"
    else:
        what, remedy = f"a command ended with exit {code}", "look at the host and run again"
    return Problem(where=node, what=f"{what}: {said}" if said else what, remedy=remedy)
