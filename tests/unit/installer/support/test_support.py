"""A support bundle tells what it has not, and asks each role its own things."""

import signal
import subprocess
import sys
import tarfile

import pytest

from installer.errors import ConfigError, Problem
from installer.inventory import Role
from installer.support.archive import new_archive
from installer.support.contents import Contents
from installer.support.questions import questions_for

PROBLEM = Problem(where="db-2", what="no answer", remedy="look")


def texts_of(path):
    with tarfile.open(path) as archive:
        files = [(member.name, archive.extractfile(member)) for member in archive]
        return {name: file.read().decode() for name, file in files if file}


def broken():
    raise ConfigError(PROBLEM)


def test_what_could_not_be_had_stands_in_the_archive_and_in_the_result(tmp_path):
    contents = Contents("1.0")
    contents.take("plan.json", broken)
    contents.take("status.txt", lambda: "said: hidden-word")
    contents.problems.append(PROBLEM)

    made = contents.write(tmp_path / "s.tar.gz", lambda text: text.replace(b"hidden-word", b"***"))

    texts = texts_of(made.path)
    assert texts["s/status.txt"] == "said: ***"
    assert "plan.json: no answer" in texts["s/README.txt"]
    assert "Nodes that are missing:\n  db-2" in texts["s/README.txt"]
    assert made.failed == ("plan.json: no answer",)
    assert made.problems == (PROBLEM,)


@pytest.mark.parametrize(
    ("role", "own"),
    [
        (Role.DATABASE, {"patroni", "etcd", "postgresql"}),
        (Role.QUEUE, {"rabbitmq-status", "rabbitmq-queues"}),
        (Role.MANAGER, {"nginx"}),
        (Role.LOADBALANCER, {"haproxy-state", "keepalived"}),
    ],
)
def test_a_node_is_asked_about_its_roles_first_and_about_the_host(role, own):
    asked = [name.split("/")[1] for name, _, _ in questions_for([role], address="10.0.0.1")]

    names = {name.removesuffix(".txt") for name in asked}
    assert own | {"disk", "certificates", "firewall"} <= names
    assert asked[0].removesuffix(".txt") not in ("system", "disk")


def test_questions_are_shell_text_without_holes():
    for _, script, _ in questions_for(Role, address="10.0.0.1", database="mine"):
        subprocess.run(["sh", "-n", "-c", script], check=True)
        assert "{address}" not in script
        assert "{application_database}" not in script


KILLED = """
import os, signal, sys
from pathlib import Path
from installer.support.archive import new_archive
with new_archive(Path(sys.argv[1]), bytes) as archive:
    archive.add("name", os.urandom(1_000_000))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_archive_has_no_name_and_the_next_takes_it_away(tmp_path):
    target = tmp_path / "a.tar.gz"
    done = subprocess.run([sys.executable, "-c", KILLED, target], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    assert len(list(tmp_path.iterdir())) == 1

    with new_archive(target, bytes) as archive:
        archive.add("name", "whole")

    assert texts_of(target) == {"a/name": "whole"}
    assert list(tmp_path.iterdir()) == [target]
    assert target.stat().st_mode & 0o777 == 0o600


def test_an_archive_that_was_made_meanwhile_is_never_replaced(tmp_path):
    target = tmp_path / "a.tar.gz"

    with pytest.raises(FileExistsError), new_archive(target, bytes):
        target.write_text("another's")

    assert target.read_text() == "another's"
    assert list(tmp_path.iterdir()) == [target]
