"""Serve the engine's requests on the node, each in a process of its own.

One interpreter starts for a run and keeps the modules that it was sent; a request costs a fork of
it. The start of an interpreter and of a login's channel was most of what a small request took.
"""

from __future__ import annotations

import binascii
import os
import sys
import zlib
from _signal import alarm  # type: ignore[import-not-found] # without `signal` it starts faster

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_UNEXPECTED = 70  # EX_SOFTWARE


def serve(package: str, mark: str, end: str, began: str) -> None:
    """Answer request after request until stdin ends.

    A line says that a request has begun, one with the exit code ends its answer.
    """
    for header in iter(sys.stdin.readline, ""):
        limit_s, program, sources = _value(header)
        for name, source in sources:
            module = sys.modules[f"{package}.{name}"] = type(sys)(f"{package}.{name}")
            code = compile(source, f"{name}.py", "exec")
            exec(code, module.__dict__)  # noqa: S102 - the engine's own modules
        body = sys.stdin.readline()
        _say(began)
        child = os.fork()
        if child == 0:
            _answer(sys.modules[f"{package}.{program}"], body, limit_s, mark)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        _say(f"{end}{ended if ended >= 0 else 128 - ended}")


def _answer(module: Any, body: str, limit_s: int, mark: str) -> None:
    """Run a program in this child of the agent; never returns."""
    try:
        alarm(limit_s)  # ends this process for good
        reply = _reply(module, body)
        text = binascii.b2a_base64(zlib.compress(repr(reply).encode(), 1), newline=False)
        _say(mark + text.decode())
        os._exit(0)
    finally:
        os._exit(_UNEXPECTED)


def _reply(module: Any, body: str) -> tuple[Any, ...]:
    try:
        return ("ok", module.main(_value(body)))
    except Exception as error:
        remedy = getattr(error, "remedy", None)
        if remedy is not None:
            return ("failure", error.where, error.what, remedy)  # type: ignore[attr-defined]
        place = error.__traceback__
        while place is not None and place.tb_next:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "?"
        return ("crash", f"{type(error).__name__}: {error} ({where})")


def _value(line: str) -> Any:
    """Return the Python literal that a line carries; it comes from the engine and nobody else."""
    return eval(zlib.decompress(binascii.a2b_base64(line)).decode(), {})  # noqa: S307


def _say(line: str) -> None:
    """Write a line; it stands alone whatever a script has written before."""
    sys.stdout.write(f"\n{line}\n")
    sys.stdout.flush()
