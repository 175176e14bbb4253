"""The programs that look at a node, run on this machine."""

import fcntl
import os
import socket
import subprocess
import sys

import pytest

from installer.engine.agent import Agent, LocalStream, Request
from installer.engine.node import facts_disk, facts_network, facts_software, facts_sources
from installer.engine.node import facts_system as system_facts
from installer.engine.outcome import ClockReading
from installer.engine.wire import command, read_reply
from installer.preflight.facts import read_facts
from installer.preflight.wanted import facts_request
from tests.cluster.preflight_breaks import etcd_frames
from tests.support.preflight import healthy

NO_OFFSET = ClockReading(offset_s=0, uncertainty_s=0)


@pytest.fixture(scope="module")
def facts():
    """What an agent on this machine answers, read as values."""
    agent = Agent(LocalStream(command(sudo=False)))
    request = facts_request(healthy()["node-1"].wanted)
    lines = agent.ask(Request("facts", request, 60))
    agent.close()
    told = read_reply("here", lines, lines)
    return read_facts(told, NO_OFFSET)


def test_one_command_finds_everything(facts):
    assert facts.node.cpus == os.cpu_count()
    assert facts.system.kernel == os.uname().release
    assert facts.names["localhost"]
    assert "127.0.0.1" in facts.interfaces["lo"].addresses
    assert facts.folders["/"].total_bytes > 0
    assert facts.folders["/tmp"].mode & 0o777
    assert facts.system.memory_available_bytes <= facts.node.memory_bytes


def test_the_clock_is_told():
    agent = Agent(LocalStream(command(sudo=False)))
    lines = agent.ask(Request("clock", {}, 10))
    agent.close()

    assert isinstance(read_reply("here", lines, lines), float)


class TestListeners:
    @pytest.mark.parametrize(
        ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
    )
    def test_a_process_that_holds_a_port_is_named(self, family, address):
        with socket.create_server((address, 0), family=family) as server:
            port = server.getsockname()[1]
            (found,) = facts_network.listeners([port], system_facts.processes())

        assert found[:2] == (port, address)
        assert found[4] == os.getpid()
        assert found[2]

    def test_a_free_port_has_none(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]

        assert facts_network.listeners([port], system_facts.processes()) == []


class TestFlushTimes:
    def test_nothing_is_left_of_the_writes(self, tmp_path):
        before = tmp_path.stat()

        ((count, p50, p99, longest),) = facts_disk.flush_times([str(tmp_path)]).values()

        assert 0 < count <= 200
        assert p50 <= p99 <= longest
        assert list(tmp_path.iterdir()) == []
        assert tmp_path.stat().st_mtime_ns == before.st_mtime_ns

    def test_a_folder_to_be_is_measured_where_it_will_be(self, tmp_path):
        found = facts_disk.flush_times([f"{tmp_path}/a/b", f"{tmp_path}/c"])

        assert list(found) == [str(tmp_path)]


class TestMounts:
    @pytest.mark.parametrize(
        ("path", "kind"), [("/usr", "ext4"), ("/var/lib", "tmpfs"), ("/variable", "ext4")]
    )
    def test_the_last_mount_over_a_path_counts(self, path, kind):
        mounts = [("/", "ext4", "rw"), ("/var", "xfs", "rw"), ("/var", "tmpfs", "ro")]

        assert facts_disk._mount_of(path, mounts)[1] == kind


class TestIdentities:
    def test_the_cluster_of_etcds_log_is_read_from_its_head(self, tmp_path):
        wal = tmp_path / "member" / "wal"
        wal.mkdir(parents=True)
        (wal / "0000000000000000-0000000000000000.wal").write_bytes(etcd_frames(0x2A))

        assert facts_software._etcd_cluster_id(str(wal)) == "2a"

    def test_the_system_of_a_database_is_read_from_its_control_file(self, tmp_path):
        folder = tmp_path / "17" / "main" / "global"
        folder.mkdir(parents=True)
        (folder / "pg_control").write_bytes((7461234567890123456).to_bytes(8, "little") + b"\1" * 9)

        assert facts_software._system_id(str(tmp_path)) == "7461234567890123456"

    def test_no_data_have_no_identity(self, tmp_path):
        found = facts_software.identities(str(tmp_path / "etcd"), str(tmp_path))

        assert (found["etcd_cluster_id"], found["postgresql_system_id"]) == ("", "")


class TestPackages:
    STATUS = """\
Package: nginx
Status: install ok installed
Version: 1.26.3

Package: gone
Status: deinstall ok config-files
Version: 1

Package: broken
Status: install ok half-configured
Version: 2

Package: nginx-common
Status: install ok installed
Version: 1.26.3
"""

    def test_named_ones_that_are_there_and_all_that_are_half_way(self, monkeypatch):
        monkeypatch.setattr(facts_software, "text_of", lambda *_: self.STATUS)

        found = facts_software.packages(["nginx", "gone"])

        assert found == {"installed": {"nginx": "1.26.3"}, "halfway": ["broken"]}


def test_a_lock_that_somebody_holds_is_told_with_its_process(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    monkeypatch.setattr(facts_software, "_LOCKS", (str(path),))
    program = "import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.lockf(f,2); print(1,flush=True); "
    words = [sys.executable, "-c", f"{program}sys.stdin.read()", str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout.readline()
        (found,) = facts_software.locks({holder.pid: ("apt-get", "")})
        holder.stdin.close()

    assert found == (str(path), holder.pid, "apt-get")
    assert facts_software.locks({}) == []
    with path.open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # asking has left it free


def test_sources_of_both_styles_are_found(tmp_path, monkeypatch):
    old = "deb [signed-by=/k] http://deb.example/debian trixie main\n# deb http://off.example x y\n"
    new = (
        "Types: deb\nURIs: https://sec.example/debian/\nSuites: trixie-security\n\n"
        "Enabled: no\nTypes: deb\nURIs: http://no.example\nSuites: trixie\n"
    )
    texts = {"/etc/apt/sources.list": old, "/x.sources": new}
    monkeypatch.setattr(facts_sources, "text_of", lambda path: texts.get(path, ""))
    monkeypatch.setattr(
        facts_sources.glob, "glob", lambda p: ["/x.sources"] if p.endswith("sources") else []
    )

    assert facts_sources._addresses() == [
        "http://deb.example/debian/dists/trixie/InRelease",
        "https://sec.example/debian/dists/trixie-security/InRelease",
    ]


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/etcd.service\n", "etcd.service"),
        ("9:name=systemd:/system.slice/x.service\n0::/\n", "x.service"),
        ("0::/system.slice/system-a.slice/a@1.service/sub\n", "a@1.service"),
        ("0::/user.slice/session-3.scope\n", "session-3.scope"),
        ("0::/\n", ""),
    ],
)
def test_the_unit_of_a_process_is_read_from_its_cgroup(cgroup, unit):
    assert system_facts._unit(cgroup) == unit
