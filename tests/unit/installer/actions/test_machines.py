"""The controller remembers which machine had which name."""

from installer.actions.machines import read_machines, remember_machines


def test_before_the_first_run_none_is_known(tmp_path):
    assert read_machines(tmp_path) == {}


def test_what_is_remembered_is_read_again(tmp_path):
    remember_machines(tmp_path, {"db-1": "a", "db-2": "b"})

    assert read_machines(tmp_path) == {"db-1": "a", "db-2": "b"}


def test_a_node_that_a_run_did_not_see_keeps_its_machine(tmp_path):
    remember_machines(tmp_path, {"db-1": "a", "db-2": "b"})
    remember_machines(tmp_path, {"db-2": "c", "db-3": ""})

    assert read_machines(tmp_path) == {"db-1": "a", "db-2": "c"}


def test_a_run_that_sees_the_same_machines_writes_nothing(tmp_path):
    remember_machines(tmp_path, {"db-1": "a"})
    before = (tmp_path / "machines.json").stat()

    remember_machines(tmp_path, {"db-1": "a"})

    after = (tmp_path / "machines.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [path.name for path in tmp_path.iterdir()] == ["machines.json"]
