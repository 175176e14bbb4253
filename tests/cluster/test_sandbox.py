"""The sandbox on a real machine: what hosts are like, every fault and its heal, and `down`."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from installer.errors import ConfigError, PreflightError, Refused
from installer.sandbox import faults, lifecycle, record, status
from installer.sandbox.disk import DEFAULT_SIZE_GB
from installer.sandbox.plan import Node, numbered_nodes, plan_hosts
from installer.sandbox.process import all_processes, identify, link_of, wait_until
from installer.sandbox.record import FaultKind
from tests.support.sandbox import Sandbox, sandbox_of

pytestmark = pytest.mark.cluster

_KINDS = ("net", "mnt", "pid")  # of namespaces
ONE, TWO, THREE = "host-1", "host-2", "host-3"
_PATIENCE_S = 60  # a machine with other work to do boots a host slowly


def cli(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "installer", "sandbox", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def hears(sandbox: Sandbox, here: str, there: str) -> bool:
    return sandbox.on(here, "ping", "-c1", "-W1", there).returncode == 0


def wait_until_heard(sandbox: Sandbox, here: str, there: str) -> None:
    """Return when a host hears another again: its kernel first forgets that it did not answer."""
    wait_until(
        lambda: hears(sandbox, here, there),
        what=f"{here} hears {there}",
        timeout_s=_PATIENCE_S,
    )


def answers_ssh(sandbox: Sandbox, host: str) -> bool:
    return sandbox.ssh(host, "true").returncode == 0


@pytest.fixture
def healed(three_hosts):
    """Three hosts on which a test may break what it likes."""
    yield three_hosts
    three_hosts.heal()


# what hosts are like


def test_every_host_answers_ssh_under_its_name_with_a_pinned_key(three_hosts):
    answers = [three_hosts.ssh(host, "hostname").stdout.strip() for host in three_hosts.hosts]

    assert answers == three_hosts.hosts


def test_the_login_user_becomes_root_without_a_password(three_hosts):
    done = three_hosts.run(
        "ssh", "-F", str(three_hosts.ssh_config), "-l", "debian", ONE, "sudo -n id -un"
    )

    assert done.stdout == "root\n"


def test_every_host_runs_its_own_systemd_with_no_failed_unit(three_hosts):
    for host in three_hosts.hosts:
        assert three_hosts.output(host, "systemctl", "is-system-running") == "running"


def test_hosts_know_each_other_by_name(three_hosts):
    assert hears(three_hosts, ONE, TWO)


def test_a_service_that_stops_on_one_host_runs_on_on_the_others(three_hosts):
    """Hosts that share a control group: the kernel kills all in it, whoever asks."""
    for host in (ONE, TWO):
        three_hosts.output(host, "systemd-run", "--unit=twin", "sleep", "1000")

    three_hosts.output(ONE, "systemctl", "kill", "--signal=SIGKILL", "twin.service")
    three_hosts.on(ONE, "systemctl", "reset-failed", "twin.service")

    assert three_hosts.output(TWO, "systemctl", "is-active", "twin.service") == "active"
    three_hosts.output(TWO, "systemctl", "stop", "twin.service")


def test_what_one_host_writes_no_other_has(three_hosts):
    three_hosts.output(ONE, "touch", "/etc/mine")

    assert three_hosts.on(TWO, "test", "-e", "/etc/mine").returncode == 1
    three_hosts.output(ONE, "rm", "/etc/mine")


def test_hosts_have_an_identity_of_their_own(three_hosts):
    identities = {three_hosts.output(host, "cat", "/etc/machine-id") for host in three_hosts.hosts}

    assert len(identities) == 3


def test_an_address_outside_is_unreachable_at_once(three_hosts):
    """A host that waits for a name server or an archive makes every test slow."""
    began = time.monotonic()

    done = three_hosts.on(ONE, "ping", "-c1", "-W10", "192.0.2.1")

    assert done.returncode != 0
    assert time.monotonic() - began < 5
    assert three_hosts.on(ONE, "getent", "hosts", "deb.debian.org").returncode != 0


def test_a_host_may_hold_a_virtual_address(three_hosts):
    three_hosts.output(ONE, "ip", "address", "add", "10.200.0.9/32", "dev", "host0")
    three_hosts.output(ONE, "sysctl", "-w", "net.ipv4.ip_nonlocal_bind=1")

    three_hosts.output(ONE, "ip", "address", "del", "10.200.0.9/32", "dev", "host0")


@pytest.mark.parametrize(
    ("option", "command", "refused"),
    [
        ("ProtectSystem=strict", "touch /etc/x", "Read-only file system"),
        ("PrivateTmp=yes", "touch /tmp/x; ls /tmp; false", "x"),
        ("DynamicUser=yes", "id -un; touch /etc/x", "Read-only file system"),
        ("PrivateUsers=yes", "cat /proc/self/uid_map; false", "0          0          1"),
        ("RestrictNamespaces=yes", "unshare --mount true", "Operation not permitted"),
        ("ProtectKernelTunables=yes", "echo 1 >/proc/sys/net/ipv4/ip_forward", "Read-only"),
        ("SystemCallFilter=@system-service", "unshare --mount true", "Bad system call"),
        ("ProtectProc=invisible", "exit 1", ""),
        ("IPAddressDeny=any", "ping -c1 -W1 127.0.0.1 >/dev/null", ""),
        ("CapabilityBoundingSet=", "chown nobody /tmp", "Operation not permitted"),
    ],
)
def test_units_are_hardened_as_on_a_real_host(three_hosts, option, command, refused):
    """A sandbox that ignores an option would hide the service that the option breaks."""
    done = three_hosts.on(
        ONE, "systemd-run", "--quiet", "--wait", "--pipe", "-p", option, "sh", "-c", command
    )

    assert done.returncode != 0
    assert refused in done.stdout + done.stderr


def test_exit_codes_pass_through(three_hosts):
    assert cli("exec", three_hosts.name, "--", "sh", "-c", "exit 7").returncode == 7
    assert cli("exec", three_hosts.name, "--host", ONE, "--", "sh", "-c", "exit 9").returncode == 9


def test_a_command_in_the_sandbox_sees_its_network_and_this_machines_files(three_hosts, tmp_path):
    (tmp_path / "file").write_text("mine")

    done = three_hosts.run(
        "sh", "-c", f"cat {tmp_path}/file; ip -brief address; getent hosts {ONE}"
    )

    assert done.stdout.startswith("mine")
    assert three_hosts.plan.segments[0].controller in done.stdout
    assert three_hosts.address(ONE) in done.stdout


def test_nothing_of_the_sandbox_is_on_the_machines_own_interfaces_or_mounts(three_hosts):
    links = subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout

    assert "p1-host0" not in links
    assert three_hosts.name not in Path("/proc/self/mounts").read_text()


# faults


def test_a_host_without_power_is_silent_and_comes_back_with_its_disk(healed):
    healed.output(TWO, "sh", "-c", "echo kept >/var/lib/kept")
    healed.output(TWO, "ip", "address", "add", "10.200.0.9/32", "dev", "host0")

    healed.fail(FaultKind.POWER_OFF, TWO)

    assert not hears(healed, ONE, TWO)
    assert [host.state for host in status.host_states(record.load(healed.name))] == [
        "running",
        "off",
        "running",
    ]
    healed.heal(TWO)
    assert answers_ssh(healed, TWO)
    assert healed.output(TWO, "cat", "/var/lib/kept") == "kept"
    assert "10.200.0.9" not in healed.output(TWO, "ip", "-brief", "address")


def test_a_peer_of_a_host_without_power_hears_no_good_bye(healed):
    """A kernel that closes the connections of a killed host would make failover look quick."""
    listen = "import socket; s=socket.create_server(('', 7000)); c=s.accept(); s.accept()"
    healed.output(TWO, "systemd-run", "--unit=listener", "python3", "-c", listen)
    wait_until(
        lambda: ":7000" in healed.output(TWO, "ss", "-ltn"),
        what="it listens",
        timeout_s=_PATIENCE_S,
    )
    connect = f"import socket; s=socket.create_connection(('{TWO}', 7000)); print(s.recv(1))"
    healed.output(ONE, "systemd-run", "--unit=peer", "python3", "-c", connect)
    wait_until(
        lambda: ":7000" in healed.output(ONE, "ss", "-tn", "state", "established"),
        what="the peer is connected",
        timeout_s=_PATIENCE_S,
    )

    healed.fail(FaultKind.POWER_OFF, TWO)

    assert ":7000" in healed.output(ONE, "ss", "-tn", "state", "established")
    assert healed.output(ONE, "systemctl", "is-active", "peer.service") == "active"
    healed.output(ONE, "systemctl", "stop", "peer.service")


def test_a_host_that_is_stopped_ends_its_services_in_order(healed):
    note = (
        "trap 'echo stopped >/var/lib/note; exit' TERM; echo runs >/var/lib/note; "
        "while :; do sleep 0.1; done"
    )
    healed.output(TWO, "systemd-run", "--unit=note", "sh", "-c", note)
    wait_until(
        lambda: healed.on(TWO, "cat", "/var/lib/note").stdout == "runs\n",
        what="the service runs",
        timeout_s=_PATIENCE_S,
    )

    healed.fail(FaultKind.STOP, TWO)

    assert not hears(healed, ONE, TWO)
    healed.heal(TWO)
    assert healed.output(TWO, "cat", "/var/lib/note") == "stopped"


def test_a_host_that_is_cut_off_hears_nobody_and_keeps_running(healed):
    healed.fail(FaultKind.CUT, TWO)

    assert not hears(healed, TWO, ONE)
    assert not hears(healed, ONE, TWO)
    assert not answers_ssh(healed, TWO)
    assert healed.output(TWO, "systemctl", "is-system-running") == "running"
    healed.heal(TWO)
    wait_until_heard(healed, ONE, TWO)


def test_a_pair_that_is_cut_hears_all_others(healed):
    healed.fail(FaultKind.CUT_PAIR, ONE, TWO)

    assert not hears(healed, ONE, TWO)
    assert not hears(healed, TWO, ONE)
    assert hears(healed, ONE, THREE)
    assert answers_ssh(healed, TWO)
    healed.heal(TWO)
    wait_until_heard(healed, ONE, TWO)


def test_a_frozen_service_does_not_answer_until_it_is_thawed(healed):
    healed.fail(FaultKind.FREEZE, TWO, detail="ssh.service")

    assert hears(healed, ONE, TWO)
    assert healed.run("timeout", "2", "ssh", "-F", str(healed.ssh_config), TWO).returncode == 124
    healed.heal(TWO)
    assert answers_ssh(healed, TWO)


def test_a_process_is_frozen_on_one_host_only(healed):
    for host in (ONE, TWO):
        healed.output(host, "systemd-run", "--unit=twin", "sleep", "1000")

    healed.fail(FaultKind.FREEZE, ONE, detail="sleep")

    states = [healed.output(host, "ps", "-C", "sleep", "-o", "state=") for host in (ONE, TWO)]
    assert states == ["T", "S"]
    healed.heal(ONE)
    assert healed.output(ONE, "ps", "-C", "sleep", "-o", "state=") == "S"


def test_a_process_that_does_not_run_cannot_be_frozen(healed):
    with pytest.raises(ConfigError, match="no process or unit 'nonsense'"):
        healed.fail(FaultKind.FREEZE, ONE, detail="nonsense")

    assert record.load(healed.name).faults == ()


def test_a_full_disk_refuses_writes_and_takes_no_space_of_the_machine(healed):
    image = record.host_dir(healed.name, TWO) / "disk.img"
    write = ("dd", "if=/dev/zero", "of=/var/lib/big", "bs=1M", "count=64", "conv=fsync")

    healed.fail(FaultKind.FILL_DISK, TWO, detail="4")

    done = healed.on(TWO, *write)
    assert "No space left on device" in done.stderr
    assert image.stat().st_blocks * 512 < DEFAULT_SIZE_GB * 1024**3 / 8
    healed.heal(TWO)
    healed.output(TWO, *write)
    healed.output(TWO, "rm", "/var/lib/big")


def test_a_slow_link_is_slow_in_both_directions_and_fast_again(healed):
    def seconds_for_200_kb(sender: str, receiver: str) -> float:
        listen = (
            "import socket\nc,_=socket.create_server(('',7001)).accept()\nwhile c.recv(65536): 1"
        )
        healed.output(receiver, "systemd-run", "--collect", "python3", "-c", listen)
        wait_until(
            lambda: ":7001" in healed.output(receiver, "ss", "-ltn"),
            what="it listens",
            timeout_s=_PATIENCE_S,
        )
        send = (
            "import socket,time; b=time.monotonic(); "
            f"s=socket.create_connection(('{receiver}',7001)); s.sendall(bytes(200_000)); "
            "s.shutdown(1); s.recv(1); print(time.monotonic()-b)"
        )
        return float(healed.output(sender, "python3", "-c", send))

    healed.fail(FaultKind.SLOW, TWO, detail=faults.slow_link(800, None))

    # 200 kB at 100 kB/s take 2 s, less what the burst lets through at once
    assert seconds_for_200_kb(ONE, TWO) > 1
    assert seconds_for_200_kb(TWO, ONE) > 1
    healed.heal(TWO)
    assert seconds_for_200_kb(ONE, TWO) < 1


def test_the_clock_is_refused_with_the_reason():
    done = cli("fail", "any", "clock", ONE)

    assert done.returncode == PreflightError.exit_code
    assert "CLOCK_REALTIME" in done.stderr


def test_a_fault_heals_by_itself_after_its_time(healed):
    done = cli("fail", healed.name, "cut", TWO, "--for", "2")

    assert done.returncode == 0
    assert not hears(healed, ONE, TWO)
    wait_until_heard(healed, ONE, TWO)
    wait_until(
        lambda: record.load(healed.name).faults == (),
        what="no fault is on record",
        timeout_s=_PATIENCE_S,
    )


def test_a_host_boots_by_itself_after_its_time(healed):
    healed.fail(FaultKind.POWER_OFF, TWO, heal_after_s=1)

    wait_until(lambda: answers_ssh(healed, TWO), what="the host has booted", timeout_s=_PATIENCE_S)


def test_healing_one_host_leaves_the_faults_of_others(healed):
    healed.fail(FaultKind.CUT, ONE)
    healed.fail(FaultKind.CUT, TWO)

    healed.heal(ONE)

    assert [fault.hosts for fault in record.load(healed.name).faults] == [(TWO,)]
    wait_until_heard(healed, ONE, THREE)
    assert not hears(healed, THREE, TWO)


def test_a_host_that_is_off_cannot_fail_again(healed):
    healed.fail(FaultKind.POWER_OFF, TWO)

    with pytest.raises(Refused, match="is off"):
        healed.fail(FaultKind.CUT, TWO)


def test_a_host_that_shut_itself_down_is_booted_by_heal(healed):
    healed.on(TWO, "systemctl", "poweroff")
    wait_until(
        lambda: status.host_states(record.load(healed.name))[1].state == "off",
        what="the host is off",
        timeout_s=_PATIENCE_S,
    )

    healed.heal(TWO)

    assert answers_ssh(healed, TWO)


# sandboxes side by side, and taking them down


def traces(word: str) -> list[str]:
    """Return what has the sandbox's name in it: processes, mounts, disks, groups, files."""
    found = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{word}")]
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if word in line]
    found += [
        line
        for line in subprocess.run(
            ["losetup", "--output=BACK-FILE"], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        if word in line
    ]
    found += [f"{pid}: {text}" for pid, text in named(word).items() if pid != os.getpid()]
    return found + [str(path) for path in record.sandboxes_dir().glob(f"*{word}*")]


def namespaces(word: str = "") -> set[Path]:
    """Return in which namespaces the processes are whose command or control group has the word."""
    of_the_machine = {link_of(os.getpid(), f"ns/{kind}") for kind in _KINDS}
    links = {link_of(pid, f"ns/{kind}") for pid in named(word) for kind in _KINDS}
    return {link for link in links if link is not None} - of_the_machine


def named(word: str) -> dict[int, str]:
    """Return the processes whose command or control group has the word, with these."""
    found = {}
    for pid in all_processes():
        try:
            command, group = (Path(f"/proc/{pid}/{it}").read_text() for it in ("cmdline", "cgroup"))
        except (FileNotFoundError, ProcessLookupError):
            continue
        ended = not command  # and is only not reaped yet
        if not ended and word in command + group:
            found[pid] = command.replace("\0", " ") + group
    return found


@pytest.mark.usefixtures("machine")
def test_two_sandboxes_may_have_the_same_names_and_addresses():
    plan = plan_hosts([Node("db-1", {"default": "10.50.0.11"})])

    with sandbox_of("left", plan) as left, sandbox_of("right", plan) as right:
        left.output("db-1", "touch", "/etc/left")

        assert left.ssh("db-1", "ls /etc/left").returncode == 0
        assert right.ssh("db-1", "ls /etc/left").returncode == 2


@pytest.mark.usefixtures("machine")
def test_each_further_network_of_a_node_is_a_card_with_its_address():
    nodes = [Node(f"db-{n}", {"default": f"10.50.0.1{n}", "app": f"10.60.0.1{n}"}) for n in (1, 2)]

    with sandbox_of("cards", plan_hosts(nodes)) as made:
        assert hears(made, "db-1", "10.60.0.12")
        assert made.run("ssh-keyscan", "-T", "2", "10.60.0.12").stdout
        made.fail(FaultKind.CUT, "db-2")
        assert not hears(made, "db-1", "10.60.0.12")


@pytest.mark.usefixtures("machine")
def test_a_debian_12_host_boots():
    with sandbox_of("older", 1, suite="bookworm") as made:
        assert made.ssh(ONE, "cut -d. -f1 /etc/debian_version").stdout == "12\n"
        made.fail(FaultKind.POWER_OFF, ONE)
        made.heal(ONE)
        assert made.output(ONE, "systemctl", "is-system-running") == "running"


@pytest.mark.usefixtures("machine")
def test_down_leaves_no_process_mount_namespace_or_file():
    name = f"test-{os.getpid()}-traces"
    with sandbox_of("traces", 2) as made:
        made.fail(FaultKind.CUT, ONE, heal_after_s=1000)
        made.fail(FaultKind.FILL_DISK, TWO)
        made.run("sh", "-c", f"sh -c 'sleep 1000; : {name}' >/dev/null 2>&1 & :")
        assert traces(name)
        own = namespaces(name)

    assert len(own) >= 7  # of the network between two hosts, and of each host
    assert traces(name) == []
    wait_until(
        lambda: not namespaces() & own, what="the namespaces are gone", timeout_s=_PATIENCE_S
    )
    lifecycle.down(name)  # nothing to do is fine


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("victim", ["keeper", "supervisor", "record"])
def test_down_cleans_up_after_a_crash(victim):
    name = f"test-{os.getpid()}-crash"
    with sandbox_of("crash", 2):
        made = record.load(name)
        match victim:
            case "keeper":
                assert made.keeper is not None
                made.keeper.kill()
            case "supervisor":
                made.supervisors[ONE].kill()
            case "record":
                (record.sandbox_dir(name) / "sandbox.json").unlink()

        lifecycle.down(name)

        assert traces(name) == []


@pytest.mark.usefixtures("machine")
def test_an_up_that_is_killed_at_any_moment_leaves_what_down_can_remove():
    name = f"test-{os.getpid()}-killed"
    folder = record.sandbox_dir(name)
    for sign in ("ready", "sandbox.json", "hosts", "hosts/host-1/console.log"):
        command = [sys.executable, "-m", "installer", "sandbox", "up", "--name", name]
        with subprocess.Popen([*command, "--hosts", "2"], stdout=subprocess.DEVNULL) as process:
            wait_until((folder / sign).exists, what=f"{sign} is there", timeout_s=_PATIENCE_S)
            process.kill()

        lifecycle.down(name)

        assert traces(name) == [], sign


@pytest.mark.usefixtures("machine")
def test_a_sandbox_that_cannot_start_leaves_nothing(monkeypatch):
    name = f"test-{os.getpid()}-broken"
    monkeypatch.setattr(lifecycle.network, "plug_in", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        lifecycle.up(lifecycle.Wanted(name=name, plan=plan_hosts(numbered_nodes(name, 1))))

    assert traces(name) == []


def test_a_name_that_is_in_use_is_refused_and_the_sandbox_lives_on(three_hosts):
    with pytest.raises(Refused, match="is up already"):
        lifecycle.up(lifecycle.Wanted(name=three_hosts.name, plan=three_hosts.plan))

    assert answers_ssh(three_hosts, ONE)


def test_a_machine_without_the_capability_is_told_so_with_exit_code_4(machine):
    """CAP_NET_ADMIN is what an ordinary container lacks."""
    bounded = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]
    command = [sys.executable, "-m", "installer", "sandbox"]
    for words in (["check"], ["up", "--name", "lacking", "--hosts", "1"]):
        done = subprocess.run([*bounded, *command, *words], capture_output=True, text=True)

        assert done.returncode == PreflightError.exit_code
        assert "no veth devices" in done.stdout + done.stderr


def test_a_machine_without_nspawn_is_told_which_package_to_install(machine, tmp_path):
    for tool in ("python3", "ip", "unshare"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))

    done = subprocess.run(
        [sys.executable, "-m", "installer", "sandbox", "check"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": str(tmp_path)},
    )

    assert done.returncode == PreflightError.exit_code
    assert "apt-get install systemd-container" in done.stdout


@pytest.mark.usefixtures("machine")
def test_ten_hosts_answer_within_15_seconds():
    """On two cores of their own, the images built; a machine with other work gets its share."""
    share = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    began = time.monotonic()

    with sandbox_of("boot-ten", 10) as made:
        elapsed_s = time.monotonic() - began

    assert len(made.hosts) == 10
    assert elapsed_s < 15 * share


def test_the_record_of_a_process_survives_only_with_the_process(three_hosts):
    made = record.load(three_hosts.name)

    assert all(identify(supervisor.pid) == supervisor for supervisor in made.supervisors.values())
