"""Errors of operations that no operation could write itself, as workflows understand them."""

from typing import Any

Payload = dict[str, Any]

_RECOVERABLE, _NON_RECOVERABLE = "RecoverableError", "NonRecoverableError"


def timed_out(timeout_s: float | None, is_recoverable: bool) -> Payload:
    """Return the error of an operation that was ended because of its timeout."""
    kind = _RECOVERABLE if is_recoverable else _NON_RECOVERABLE
    return _payload(kind, f"Process killed due to timeout of {timeout_s} seconds")


def lost(reason: str) -> Payload:
    """Return the error of an operation whose process died."""
    return _payload(_NON_RECOVERABLE, reason)


def _payload(kind: str, message: str) -> Payload:
    return {
        "exception_type": kind,
        "message": message,
        "traceback": "",
        "known_exception_type": kind,
        "known_exception_type_args": [],
        "known_exception_type_kwargs": {"causes": []},
        "append_message": False,
    }
