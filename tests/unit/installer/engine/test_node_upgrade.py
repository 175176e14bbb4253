"""On the node: units owe a restart before they stop, and are down before packages change."""

import contextlib

import pytest

from installer.engine.node import upgrade


@pytest.fixture
def done(monkeypatch) -> list[tuple[object, ...]]:
    """What the program does to the host, in order."""
    done: list[tuple[object, ...]] = []

    def note(name):
        return lambda *words: done.append((name, *words))

    monkeypatch.setattr(upgrade, "only_one", contextlib.nullcontext)
    monkeypatch.setattr(upgrade, "recording", lambda act: act())
    monkeypatch.setattr(upgrade, "with_nothing_started", lambda act: act())
    for name in ("remove_leftovers", "owe_restarts", "stop_units", "install", "read_units_again"):
        monkeypatch.setattr(upgrade, name, note(name))
    return done


def request(**changed):
    plain = {"stop": ["b", "a"], "packages": ["p=2"], "may_downgrade": False, "timeout_s": 9}
    return plain | changed


def test_a_kill_at_any_moment_leaves_units_that_owe_a_restart(done):
    upgrade.main(request())

    assert done == [
        ("remove_leftovers",),
        ("owe_restarts", {"b": "restart", "a": "restart"}),
        ("stop_units", ["b", "a"]),
        ("install", ["p=2"], 9, ()),
        ("read_units_again",),
    ]


def test_only_a_way_back_may_downgrade(done):
    upgrade.main(request(may_downgrade=True))

    assert ("install", ["p=2"], 9, ("--allow-downgrades",)) in done


def test_a_new_runtime_alone_stops_units_and_leaves_packages_be(done):
    upgrade.main(request(packages=[]))

    assert [name for name, *_ in done] == ["remove_leftovers", "owe_restarts", "stop_units"]
