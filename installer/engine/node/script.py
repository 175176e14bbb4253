"""Run shell text on the node, bounded in time and output."""

from __future__ import annotations

import os

from installer.engine.node.base import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_OUTPUT_LIMIT = 256 * 1024  # the end of a long output is what explains it
_GRACE_S = 5.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

TIMED_OUT = 124  # what timeout(1) exits with


def environment(variables: dict[str, str]) -> dict[str, str]:
    """Return a script's environment: fixed, so that a login's settings change nothing."""
    fixed = {
        "PATH": _PATH,
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
    }
    return fixed | variables


def run_script(script: str, secrets: dict[str, str], timeout_s: float) -> dict[str, Any]:
    """Run `script` by `sh -eu` and return its code, stdout and stderr.

    The text arrives by a pipe of its own: stdin stays empty, so that no command of the script can
    swallow the rest of it, and nothing of it appears on a command line.
    """
    text = os.memfd_create("script")
    try:
        _fill(text, script)
        path = f"/proc/self/fd/{text}"
        words = ["/bin/sh", "-eu", path]
        done = run_command(words, timeout_s=timeout_s, variables=secrets, keep=(text,))
        return done | {"stderr": done["stderr"].replace(f"{path}: ", "line ")}
    finally:
        os.close(text)


def _fill(descriptor: int, script: str) -> None:
    with os.fdopen(os.dup(descriptor), "wb") as pipe:
        pipe.write(script.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)


def run_command(
    words: list[str],
    *,
    timeout_s: float,
    variables: dict[str, str] | None = None,
    keep: tuple[int, ...] = (),
) -> dict[str, Any]:
    """Run a command to its end or its deadline; a deadline ends its whole process group.

    Output goes to memory files, not pipes: a daemon that the command leaves behind keeps its output
    open, and a reader of a pipe would wait for it.
    """
    import subprocess

    out, err = os.memfd_create("out"), os.memfd_create("err")
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=environment(variables or {}),
            pass_fds=keep,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _end_group(process)
            code = TIMED_OUT
        return {"code": code, "stdout": _text(out), "stderr": _text(err)}
    finally:
        os.close(out)
        os.close(err)


def _end_group(process: Any) -> None:
    import signal
    import subprocess

    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(_GRACE_S)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _text(descriptor: int) -> str:
    size = os.lseek(descriptor, 0, os.SEEK_END)
    os.lseek(descriptor, max(0, size - _OUTPUT_LIMIT), os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read().decode("utf-8", "replace")


def checked(words: list[str], *, timeout_s: float, remedy: str) -> str:
    """Run a command that must succeed and return its stdout."""
    done = run_command(words, timeout_s=timeout_s)
    if done["code"] != 0:
        raise Failure(" ".join(words)[:200], last_lines(done), remedy)
    return str(done["stdout"])


def last_lines(done: dict[str, Any], count: int = 12) -> str:
    """Return the end of what a command said, with its exit code."""
    said = (done["stderr"].strip() or done["stdout"].strip()).splitlines()[-count:]
    reason = "no end within its time" if done["code"] == TIMED_OUT else f"exit {done['code']}"
    return "\n".join([reason, *said])


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Run one script; see `installer.engine.session.Session.run`."""
    return run_script(request["script"], request["secrets"], request["timeout_s"])
