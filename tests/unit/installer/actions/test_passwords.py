"""Which password the secrets file holds when a manager did not say that it took the new one."""

from types import SimpleNamespace

import pytest

from installer.actions.managers import _take_password
from installer.cluster_secrets import change_secrets, load_secrets
from installer.engine.outcome import Result
from installer.errors import NodeUnreachable, PhaseFailed, Problem
from installer.secrets import Secret

OLD, NEW = Secret("Aebahqu8ahng7"), Secret("ohXah9aezaiw4")


class Managers:
    """Managers of which one answers so, or none does."""

    def __init__(self, path, *, code=0, problem=None):
        self.inventory = SimpleNamespace(secrets_path=path)
        self._code, self._problem = code, problem

    def ask_one(self, ask):
        if self._problem is not None:
            raise self._problem
        return ask(self)

    name = "manager-1"

    def run(self, _script, *, stdin_secrets, timeout_s):
        assert NEW.reveal() in stdin_secrets["REQUEST"].reveal()
        return Result(self._code, "", "the manager's words")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ten.secrets.yaml"
    change_secrets(path, {"admin_password": OLD})
    return path


CUT = Problem(where="manager-1", what="the connection broke", remedy="look")


@pytest.mark.parametrize(
    ("how", "code", "kept"),
    [
        ({"code": 1}, "password-not-taken", OLD),
        ({"code": 124}, "password-unknown", NEW),
        ({"problem": PhaseFailed(CUT)}, "password-unknown", NEW),
        ({"problem": NodeUnreachable(CUT)}, "", OLD),
    ],
    ids=["refused", "no end in time", "cut off", "nobody asked"],
)
def test_the_old_password_is_kept_only_where_it_is_surely_in_force(path, how, code, kept):
    """A commit that waits for a replica is there once its client has gone."""
    with pytest.raises((PhaseFailed, NodeUnreachable)) as failed:
        _take_password(Managers(path, **how), NEW)

    assert [problem.code for problem in failed.value.problems] == [code]
    assert load_secrets(path)["admin_password"] == kept


def test_a_password_that_was_taken_is_kept(path):
    _take_password(Managers(path), NEW)

    assert load_secrets(path)["admin_password"] == NEW
