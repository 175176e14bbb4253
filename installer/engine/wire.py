"""Turn a request into one command for a node, and what the node answers into a value.

A command is a constant one-liner of Python; program and request follow on stdin and the answer
comes back as one marked line. So nothing is limited by the length of a command line, nothing is
seen in `ps` or in pyinfra's debug log, noise of a login shell is ignored, and bytes of any encoding
pass. Both directions speak Python literals: `json` would cost more on the node than the work.
"""

import ast
import binascii
import zlib
from functools import cache
from pathlib import Path
from typing import Any

from installer.errors import Problem

MARK = "cfy_manager:"
EXIT = "cfy_manager-exit:"

_PACKAGE = "installer.engine.node"
_SOURCES = Path(__file__).parent / "node"
_START = (  # the alarm ends it for good; without its modules `signal` and `timeout` start faster
    "import sys,zlib,_signal,binascii as b;_signal.alarm({limit_s});"
    "exec(zlib.decompress(b.a2b_base64(sys.stdin.readline())))"
)
_NEEDS = {  # program: the modules it is made of, in order of import
    "script": ("base", "script"),
    "observe": ("base", "script", "observe"),
    "observe-paths": ("base", "observe"),
    "state": ("base", "script", "files", "record", "users", "units", "state"),
    "state-paths": ("base", "files", "state"),
    "tree": ("base", "observe", "files", "tree"),
    "units": ("base", "script", "files", "units"),
    "packages": ("base", "script", "observe", "files", "dpkg", "record", "units", "packages"),
    "removal": ("base", "script", "files", "dpkg", "record", "removal"),
    "gate": ("base", "script", "gate"),
    "step": ("base", "script", "step"),
}
_LOADER = f"""
try:
    for name, source in SOURCES:
        module = sys.modules["{_PACKAGE}." + name] = type(sys)("{_PACKAGE}." + name)
        exec(compile(source, name + ".py", "exec"), module.__dict__)
    reply = ("ok", module.main(REQUEST))
except Exception as error:
    told = getattr(error, "remedy", None)
    if told is None:
        place = error.__traceback__
        while place.tb_next:
            place = place.tb_next
        where = f"{{place.tb_frame.f_code.co_filename}}:{{place.tb_lineno}}"
        reply = ("crash", f"{{type(error).__name__}}: {{error}} ({{where}})")
    else:
        reply = ("failure", error.where, error.what, told)
text = b.b2a_base64(zlib.compress(repr(reply).encode(), 1), newline=False).decode()
sys.stdout.write("\\n{MARK}" + text + "\\n")
"""


def command(*, limit_s: int, sudo: bool) -> str:
    """Return the shell line that runs a program from stdin, bounded on the node as well.

    It exits 0 whatever happens: an exit code of its own would make pyinfra search the output
    for a password prompt of sudo and ask the terminal for one.
    """
    root = "sudo -n -H " if sudo else ""
    start = _START.format(limit_s=limit_s)
    return f"{root}python3 -I -S -c '{start}' || echo {EXIT}$?"


def request_text(program: str, request: dict[str, Any]) -> str:
    """Return the line for stdin that carries a program and its request."""
    text = f"SOURCES={_sources(program)!r}\nREQUEST={request!r}\n{_LOADER}"
    return binascii.b2a_base64(zlib.compress(text.encode(), 1), newline=False).decode()


@cache
def _sources(program: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, (_SOURCES / f"{name}.py").read_text()) for name in _NEEDS[program])


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
