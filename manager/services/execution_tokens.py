"""Execution tokens: what a workflow and its operations present while they run.

A token is a uuid4 in hex; the database knows its SHA-256 and each dispatch makes another.
"""

import hashlib
import re
import uuid

_FORM = re.compile(r"[0-9a-f]{32}")


def generate_execution_token() -> str:
    """Return a new token."""
    return uuid.uuid4().hex


def is_execution_token(text: str) -> bool:
    """Tell whether `text` has the form of an execution token."""
    return _FORM.fullmatch(text) is not None


def execution_token_hash(token: str) -> str:
    """Return what is stored of a token; it is random and long, so one fast hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()
