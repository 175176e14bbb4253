"""A workflow that ends while it is being cancelled."""

from types import SimpleNamespace

import pytest
from cloudify_rest_client.exceptions import InvalidExecutionUpdateStatus

from manager.worker import engine_endings
from manager.worker.engine_endings import clean_up_once, report_status


class Reports:
    """The manager, which refuses some statuses."""

    def __init__(self, refused):
        self.refused = refused
        self.taken = []

    def __call__(self, handler, status, error=None):
        if status in self.refused:
            raise InvalidExecutionUpdateStatus("refused", status_code=400)
        self.taken.append(status)


def test_success_after_a_request_to_cancel_is_cancelled(monkeypatch):
    reports = Reports(refused={"terminated"})
    monkeypatch.setattr(engine_endings, "_report", reports)

    report_status(None, "terminated")

    assert reports.taken == ["cancelled"]


def test_another_refusal_is_an_error(monkeypatch):
    monkeypatch.setattr(engine_endings, "_report", Reports(refused={"started", "cancelled"}))

    with pytest.raises(InvalidExecutionUpdateStatus):
        report_status(None, "started")


class Client:
    """A connection that must not be asked when it is closed."""

    is_closed = False

    def delete_queue(self):
        assert not self.is_closed

    def close(self):
        self.is_closed = True


def test_queues_are_cleaned_up_once():
    """A failure after success cleans up again."""
    client = Client()
    dispatcher = SimpleNamespace(_clients={None: (client, client)})

    clean_up_once(dispatcher)
    clean_up_once(dispatcher)

    assert client.is_closed
