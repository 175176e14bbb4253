"""Errors that the worker itself writes are read by cloudify-common."""

import pytest
from cloudify.error_handling import deserialize_known_exception
from cloudify.exceptions import NonRecoverableError, RecoverableError

from manager.worker.error_payloads import lost, timed_out


@pytest.mark.parametrize(
    ("payload", "kind", "words"),
    [
        (timed_out(5.0, False), NonRecoverableError, "timeout of 5.0 seconds"),
        (timed_out(5.0, True), RecoverableError, "timeout of 5.0 seconds"),
        (lost("ended by SIGSEGV"), NonRecoverableError, "SIGSEGV"),
    ],
)
def test_workflows_understand_them(payload, kind, words):
    error = deserialize_known_exception(payload)

    assert type(error) is kind
    assert words in str(error)
