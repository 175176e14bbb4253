"""With which counts PostgreSQL starts on a restored folder."""

import pytest

from installer.backup.node import base, recover

CONTROL = "max_connections setting:              250\nmax_worker_processes setting:         8\n"


@pytest.mark.parametrize(("is_trial", "connections"), [(True, "500"), (False, "250")])
def test_only_a_trial_has_more_than_the_primary_had(monkeypatch, is_trial, connections):
    """A primary leaves its counts to its replicas: they would have to restart for fewer."""
    monkeypatch.setattr(recover, "run", lambda _: CONTROL)
    monkeypatch.setattr(base.Database, "__init__", lambda _: None)
    db = base.Database()
    db.bin_dir = "/bin"

    counts = recover.Server("/folder", db)._counts(is_trial=is_trial)

    assert counts["max_connections"] == connections
