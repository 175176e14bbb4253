"""A host loses all of ours and nothing of others."""

import subprocess

from installer.actions import host_removal as action


def test_our_folders_go_and_a_command_that_is_not_ours_stays(tmp_path, monkeypatch):
    ours, theirs = tmp_path / "ours", tmp_path / "cfy_manager"
    ours.mkdir()
    (ours / "file").touch()
    theirs.symlink_to("/somewhere/else")
    monkeypatch.setattr(action, "_HOMES", (str(ours), str(tmp_path / "never-there")))
    monkeypatch.setattr(action, "_COMMAND", str(theirs))

    done = subprocess.run(
        ["sh", "-euc", action._last_script()], capture_output=True, text=True, check=True
    )

    assert done.stdout == f"delete {ours}\n"
    assert not ours.exists()
    assert theirs.is_symlink()
