"""Which host is asked first, and who waits, while a primary is lost."""

from types import SimpleNamespace

import psycopg
import pytest

from manager.storage.database import _Connector


class Dialect:
    """Connects to the one host that is the primary, if it is among those asked."""

    def __init__(self, primary):
        self.primary, self.asked = primary, []

    def connect(self, *, host):
        self.asked.append(host.split(","))
        if self.primary not in host.split(","):
            raise psycopg.OperationalError("no primary")
        return SimpleNamespace(info=SimpleNamespace(host=self.primary))


def connect(connector, dialect, hosts="db-1,db-2,db-3"):
    return connector.connect(dialect, None, (), {"host": hosts})


def lose(connector, words, is_disconnect=True):
    error = psycopg.OperationalError(words)
    context = SimpleNamespace(is_disconnect=is_disconnect, original_exception=error)
    connector.note_loss(context)


SILENT = "could not receive data from server: Connection timed out"


def test_the_last_primary_is_asked_first():
    connector, dialect = _Connector(), Dialect("db-3")

    connect(connector, dialect)
    connect(connector, dialect)

    assert dialect.asked[1] == ["db-3", "db-1", "db-2"]


def test_who_waited_for_a_silent_host_does_not_wait_for_it_again():
    """A request that meets a lost primary would take the time of both: 4 s and 3 s."""
    connector, dialect = _Connector(), Dialect("db-3")
    connect(connector, dialect)
    lose(connector, SILENT)

    with pytest.raises(psycopg.OperationalError):
        connect(connector, dialect)
    connect(connector, dialect)

    assert dialect.asked[1] == ["db-1", "db-2"]
    assert "db-3" in dialect.asked[2]


@pytest.mark.parametrize("words", ["terminating connection due to administrator command"])
def test_a_host_that_ended_a_connection_itself_is_asked_again(words):
    connector, dialect = _Connector(), Dialect("db-3")
    connect(connector, dialect)
    lose(connector, words)

    connect(connector, dialect)

    assert dialect.asked[1][0] == "db-3"


def test_an_only_host_is_always_asked():
    connector, dialect = _Connector(), Dialect("db-1")
    connect(connector, dialect, "db-1")
    lose(connector, SILENT)

    connect(connector, dialect, "db-1")

    assert dialect.asked == [["db-1"], ["db-1"]]
