"""The engine on real hosts: what it changes, and what happens when hosts misbehave."""

import hashlib
import json
import subprocess
import sys

import pytest

from installer.sandbox import record
from installer.sandbox.enter import command_in, run_on
from installer.sandbox.ssh import known_hosts, private_key

pytestmark = pytest.mark.cluster

NAME = "engine-test"


def sandbox(*words):
    command = [sys.executable, "-m", "installer", "sandbox", *words]
    subprocess.run(command, check=True, capture_output=True, timeout=900)


@pytest.fixture(scope="module")
def targets():
    sandbox("down", NAME)
    sandbox("up", "--name", NAME, "--hosts", "2")
    folder = record.ssh_dir(NAME)
    keys = [str(private_key(folder)), str(known_hosts(folder))]
    hosts = record.load(NAME).plan.hosts
    yield [[host.name, host.address, "root", 22, *keys] for host in hosts]
    sandbox("down", NAME)


@pytest.fixture
def drive(targets, tmp_path):
    """Return a function that runs a case of `engine_cases` in the sandbox's network."""

    def drive(case):
        words = [sys.executable, "-m", "tests.cluster.engine_cases", case]
        command = command_in(NAME, [*words, json.dumps(targets), str(tmp_path)])
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-4000:]
        drive.log = done.stderr
        return json.loads(done.stdout)

    return drive


def test_a_stage_is_applied_once_and_then_costs_one_command(drive):
    first, second = drive("stage_is_applied_once")

    assert "start demo.service (it is inactive)" in first["changes"]
    assert first["commands"] == 2
    assert second["changes"] == []
    assert second["commands"] == 1
    assert second["pid"] == first["pid"]


def test_a_changed_file_restarts_its_unit(drive):
    first, second = drive("changed_file_restarts")

    assert second["restarted"] == ["demo.service"]
    assert second["pid"] not in (first["pid"], "0")


def test_a_restart_of_one_at_a_time_waits_for_its_turn(drive):
    first, owed, after = drive("restart_waits_for_its_turn")

    assert first["deferred"] == ["demo.service"]
    assert owed == ["demo.service"]
    assert after["changes"] == []
    assert after["pid"] != first["pid"]


def test_a_kill_between_files_and_restart_is_made_up_for(drive):
    applied = drive("kill_before_the_restart")

    assert applied["changes"] == ["restart demo.service (owed since an interrupted run)"]


@pytest.fixture(scope="module")
def repository(targets):
    """A package whose script starts its service at once, in a repository on the first host."""
    script = r"""
    set -e
    mkdir -p /srv/pool/x/DEBIAN /srv/pool/x/usr/lib/systemd/system /srv/pool/x/etc
    cd /srv/pool
    cat > x/DEBIAN/control <<END
Package: cfy-test
Version: 1
Architecture: all
Maintainer: nobody <nobody@example.org>
Description: starts its service when it is installed
END
    echo /etc/cfy-test.conf > x/DEBIAN/conffiles
    echo stock > x/etc/cfy-test.conf
    printf '[Service]\nExecStart=/bin/sleep 200000\n[Install]\nWantedBy=multi-user.target\n' \
        > x/usr/lib/systemd/system/cfy-test.service
    cat > x/DEBIAN/postinst <<'END'
#!/bin/sh
set -e
touch /run/cfy-test.configuring
if [ -e /root/slow-postinst ]; then sleep 60; fi
deb-systemd-helper enable cfy-test.service
deb-systemd-invoke start cfy-test.service
sleep 0.3
if pgrep -f 'sleep 200000'; then echo postinst > /run/cfy-test.started-by; fi
END
    chmod 755 x/DEBIAN/postinst
    dpkg-deb --root-owner-group -b x cfy-test_1_all.deb
    { dpkg-deb -f cfy-test_1_all.deb; echo "Filename: ./cfy-test_1_all.deb"
      echo "Size: $(stat -c %s cfy-test_1_all.deb)"
      echo "SHA256: $(sha256sum cfy-test_1_all.deb | cut -d' ' -f1)"; } > Packages
    mkdir -p /etc/apt/sources.list.d
    echo "deb [trusted=yes] file:/srv/pool ./" > /etc/apt/sources.list.d/test.list
    """
    run_script(targets, script)


def run_script(targets, script):
    done = run_on(NAME, targets[0][0], "sh", "-c", script)
    assert done.returncode == 0, done.stderr


@pytest.fixture(params=["own sources", "bundle"])
def source(request, targets, repository):
    """Where packages come from; the bundle brings an apt configuration of its own."""
    folder = "/var/lib/cfy_manager/apt"
    conf = f'''Dir::Etc::SourceList "/etc/apt/sources.list.d/test.list";
Dir::Etc::SourceParts "/dev/null"; Dir::State::Lists "{folder}/lists";
Dir::Cache::pkgcache "{folder}/pkgcache.bin"; Dir::Cache::srcpkgcache "";
APT::Sandbox::User "root";'''
    if request.param == "bundle":
        run_script(targets, f"mkdir -p {folder}/lists; echo '{conf}' > {folder}/apt.conf")
    yield
    stop = "systemctl disable --now cfy-test; dpkg --purge cfy-test; systemctl daemon-reload"
    run_script(targets, f"rm -rf {folder}; {stop}")


@pytest.mark.usefixtures("source")
def test_packages_come_without_starting_anything(drive):
    found = drive("packages_start_nothing")

    assert found["first"][0] == "install package cfy-test"
    assert "start cfy-test.service (it is inactive)" in found["first"]
    assert found["commands"] == 3
    assert found["seen"] == "ours\n"
    assert found["enabled"] == "enabled\nactive\n"
    assert not found["policy_left"]
    assert found["again"] == []


@pytest.mark.usefixtures("repository")
def test_a_kill_while_packages_come_leaves_nothing_that_binds(drive):
    found = drive("kill_while_packages_come")

    assert "host-1" in found["died"]
    assert "cfy_manager" in found["policy"]
    assert found["allowed"] == 0
    assert "install package cfy-test" in found["changes"]
    assert found["after"] == ""


def test_a_hung_host_is_a_problem_of_its_own(drive):
    found = drive("hung_host")

    problem, seconds = found["hung"]
    assert "did not answer within" in problem or "the connection broke" in problem
    assert seconds < 6
    assert found["other"] == ["fine\n"] * 5
    assert found["back"] == "back\n"


def test_a_dropped_connection_is_told_and_the_next_command_works(drive):
    found = drive("connection_drop")

    assert "connection" in found["problem"]
    assert found["seconds"] < 5
    assert found["after"] == "again\n"


def test_closing_leaves_no_connection(drive):
    assert drive("close_is_real") == {"during": 2, "after": 0}


def test_strange_keys_are_refused_with_what_to_do(drive, tmp_path):
    other = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other-key")]
    subprocess.run(other, check=True)

    found = drive("strange_keys")

    assert "put the host's key into" in found["unknown host"]
    assert "Authentication" in found["wrong key"]
    assert "/nowhere/key" in found["no key file"]


def test_a_login_that_is_not_root_uses_sudo_or_says_that_it_cannot(drive):
    found = drive("sudo_user")

    assert found["may"] == "0\n"
    assert "sudo wants a password" in found["maynot"]


def test_secrets_are_on_no_command_line_and_in_no_log(drive):
    assert drive("secrets_are_unseen") == "none\n"
    assert "DEBUG:paramiko" in drive.log  # the log has everything that there is
    assert "hush-hush-0815" not in drive.log


def test_big_files_travel_once_and_faster_than_by_sftp(drive):
    found = drive("transfer")

    ours, by_sftp = found["rates"]
    assert found["first"]["bytes"] == 2 * 8 * 12_500_000
    assert found["second"]["bytes"] == 2 * 12_500_000, "only the file that was touched"
    assert ".arriving" not in found["arrived"]
    assert hashlib.sha256(bytes([7]) * 12_500_000).hexdigest() in found["arrived"]
    assert ours > by_sftp, "4 times on a quiet machine"
