"""What the engine's cluster tests do to hosts, each in a process of its own: gevent comes first.

Run as `python -m tests.cluster.engine_cases CASE TARGETS`; the findings are JSON on stdout.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import logging  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from dataclasses import replace  # noqa: E402
from pathlib import Path  # noqa: E402

from installer.engine import connection as connection_module  # noqa: E402
from installer.engine import session as session_module  # noqa: E402
from installer.engine.difference import difference  # noqa: E402
from installer.engine.engine import Engine  # noqa: E402
from installer.engine.requests import state_request  # noqa: E402
from installer.engine.target import Target  # noqa: E402
from installer.engine.transfer import Shipment, send_to_each  # noqa: E402
from installer.secrets import Secret  # noqa: E402
from installer.state import (  # noqa: E402
    Directory,
    Gate,
    ManagedFile,
    NodeState,
    Package,
    Stage,
    Step,
    Unit,
    UnitTarget,
    User,
)

UNIT_FILE = """
[Unit]
Description=A service of the engine's tests
[Service]
User=demo
ExecStart=/bin/sleep 100000
ExecReload=/bin/true
[Install]
WantedBy=multi-user.target
"""


SSH_SESSION = (  # sets p to the process that serves this login
    "p=$PPID; until grep -q sshd /proc/$p/comm; do p=$(cut -d' ' -f4 /proc/$p/stat); done"
)


def demo(content="one", *, one_at_a_time=False):
    conf = ManagedFile(path="/etc/demo/demo.conf", content=content.encode(), owner="demo")
    code = ManagedFile(path="/etc/systemd/system/demo.service", content=UNIT_FILE.encode())
    return Stage(
        name="demo",
        state=NodeState(
            users=(User(name="demo", home="/srv/demo", groups=("demoers",)),),
            directories=(Directory(path="/srv/demo", owner="demo", mode=0o700),),
            files=(conf, code),
            units=(
                Unit(name="demo.service", restart_on=(conf.path,), one_at_a_time=one_at_a_time),
                Unit(name="never.service", target=UnitTarget.MASKED),
            ),
        ),
        gate=Gate(name="demo runs", check="systemctl is-active demo", timeout_s=10),
    )


def apply(session, stage):
    """Apply a stage as a run does, and return what it changed and in how many commands."""
    before = session.commands
    applied = session.apply(stage, session.observe([stage]))
    assert stage.gate is None or session.await_gate(stage.gate).passed
    return {
        "changes": applied.changes,
        "restarted": applied.restarted,
        "deferred": applied.deferred_restarts,
        "commands": session.commands - before - (stage.gate is not None),
        "pid": session.run("systemctl show -P MainPID demo").stdout.strip(),
    }


def on_first(targets, act):
    with Engine(targets) as engine:
        assert not engine.connect()
        outcome = engine.on_each([targets[0].name], act)[targets[0].name]
        assert outcome.error is None, outcome.error
        return outcome.value


def stage_is_applied_once(targets):
    return on_first(targets, lambda s: [apply(s, demo()), apply(s, demo())])


def changed_file_restarts(targets):
    return on_first(targets, lambda s: [apply(s, demo("two")), apply(s, demo("three"))])


def restart_waits_for_its_turn(targets):
    def act(session):
        stage = demo("four", one_at_a_time=True)
        first = apply(session, stage)
        owed = session.run("ls /var/lib/cfy_manager/pending").stdout.split()
        session.restart("demo.service")
        return [first, owed, apply(session, stage)]

    return on_first(targets, act)


def kill_before_the_restart(targets):
    def act(session):
        apply(session, demo())
        stage = demo("five")
        change = difference([stage], session.observe([stage])).stages[0]
        request = state_request(change) | {"units": None, "users": []}
        session._call("state-paths", request, 60)  # here the power goes off
        return apply(session, stage)

    return on_first(targets, act)


def package_stage():
    return Stage(
        name="package",
        state=NodeState(
            packages=(Package("cfy-test"),),
            files=(ManagedFile(path="/etc/cfy-test.conf", content=b"ours\n"),),
            units=(Unit(name="cfy-test.service", restart_on=("/etc/cfy-test.conf",)),),
        ),
    )


def packages_start_nothing(targets):
    def act(session):
        session.run("rm -f /run/cfy-test.*")
        before = session.commands
        stage = package_stage()
        first = session.apply(stage, session.observe([stage]))
        commands = session.commands - before
        seen = session.run("cat /run/cfy-test.started-by || true; cat /etc/cfy-test.conf")
        enabled = session.run("systemctl is-enabled cfy-test; systemctl is-active cfy-test")
        policy = session.run("ls /usr/sbin/policy-rc.d").code
        again = session.apply(stage, session.observe([stage]))
        return {
            "first": first.changes,
            "commands": commands,
            "seen": seen.stdout,
            "enabled": enabled.stdout,
            "policy_left": policy == 0,
            "again": again.changes,
        }

    return on_first(targets, act)


def kill_while_packages_come(targets):
    """The package's own script waits; meanwhile the installing program is killed."""
    killer = (
        "until test -e /run/cfy-test.configuring; do sleep 0.1; done;"
        "pkill -KILL -f '^python3 -I -S'"
    )

    def act(session):
        session.run("touch /root/slow-postinst; rm -f /run/cfy-test.*; dpkg --purge cfy-test")
        session.run(f'setsid sh -c "{killer}" >/dev/null 2>&1 &')
        stage = package_stage()
        died = "no"
        try:
            session.apply(stage, session.observe([stage]))
        except Exception as error:
            died = str(error)
        left = session.run("cat /usr/sbin/policy-rc.d").stdout
        allowed = session.run("/usr/sbin/policy-rc.d cfy-test start").code
        session.run(
            "set +e; rm -f /root/slow-postinst; pkill -x apt-get; pkill -x dpkg; pkill -x sleep -n"
        )
        applied = session.apply(stage, session.observe([stage]))
        after = session.run("dpkg --audit; ls /usr/sbin/policy-rc.d 2>/dev/null || true").stdout
        return {
            "died": died,
            "policy": left,
            "allowed": allowed,
            "changes": applied.changes,
            "after": after,
        }

    return on_first(targets, act)


def hung_host(targets):
    """The first host's SSH session is stopped; the second host must not notice."""
    session_module._MARGIN_S = connection_module._MARGIN_S = 1
    connection_module._CHANNEL_S = 3
    first, second = (target.name for target in targets)
    stop = (
        f"{SSH_SESSION};"
        'setsid sh -c "sleep 0.5; kill -STOP $p; sleep 6; kill -CONT $p" >/dev/null 2>&1 &'
    )

    def act(session):
        if session.name == second:
            return [session.run("echo fine").stdout for _ in range(5)]
        session.run(stop)
        time.sleep(1)
        started = time.monotonic()
        try:
            session.run("echo never", timeout_s=1)
        except Exception as error:
            return [str(error), time.monotonic() - started]
        return ["it answered", 0]

    with Engine(targets) as engine:
        assert not engine.connect()
        found = engine.on_each([first, second], act)
        back = engine.on_each([first], lambda s: s.run("echo back").stdout)[first]
        return {
            "hung": found[first].value,
            "other": found[second].value,
            "back": back.value or str(back.error),
        }


def connection_drop(targets):
    drop = f"{SSH_SESSION}; kill -KILL $p; sleep 5"
    with Engine(targets[:1]) as engine:
        assert not engine.connect()
        name = targets[0].name
        dropped = engine.on_each([name], lambda s: s.run(drop))[name]
        after = engine.on_each([name], lambda s: s.run("echo again").stdout)[name]
        return {"problem": str(dropped.error), "seconds": dropped.seconds, "after": after.value}


def close_is_real(targets):
    def established():
        rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
        return sum(row.split()[3] == "01" and row.split()[2].endswith(":0016") for row in rows)

    with Engine(targets) as engine:
        assert not engine.connect()
        during = established()
    return {"during": during, "after": established()}


def strange_keys(targets):
    found = {}
    nobody = Path(sys.argv[3]) / "nobody"
    nobody.touch()
    other_key = str(Path(sys.argv[3]) / "other-key")
    for case, target in {
        "unknown host": replace(targets[0], known_hosts=str(nobody)),
        "wrong key": replace(targets[0], private_key=other_key),
        "no key file": replace(targets[0], private_key="/nowhere/key"),
    }.items():
        with Engine([target]) as engine:
            found[case] = str(engine.connect().get(target.name))
    return found


def sudo_user(targets):
    """A user that may become root, and one that may not."""

    def prepare(session):
        return session.run(
            "for u in may maynot; do id $u 2>/dev/null || useradd -m -s /bin/sh $u; "
            "install -d -m 700 -o $u /home/$u/.ssh; "
            "install -m 600 -o $u /root/.ssh/authorized_keys /home/$u/.ssh/; done; "
            "echo 'may ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/may"
        ).stderr

    prepared = on_first(targets, prepare)
    users = [replace(targets[0], name=user, user=user) for user in ("may", "maynot")]
    with Engine(users) as engine:
        assert not engine.connect(), prepared
        found = engine.on_each(["may", "maynot"], lambda s: s.run("id -u").stdout)
        return {name: o.value or str(o.error) for name, o in found.items()}


def secrets_are_unseen(targets):
    """A step looks for its own secret on every command line of the host."""
    logging.basicConfig(level=logging.DEBUG)
    look = 'grep -l "$PW" /proc/[0-9]*/cmdline 2>/dev/null || echo none'
    step = Step(
        name="Look",
        guard="test -e /tmp/looked",
        script=f"{look}; touch /tmp/looked",
        secrets={"PW": Secret("hush-hush-0815")},
    )
    return on_first(targets, lambda s: s.run_step(step).output)


def transfer(targets):
    """Send, send again with one file touched, and take turns with SFTP."""
    source = Path(sys.argv[3])
    (source / "pool").mkdir()
    names = [f"pool/big {number}" for number in range(8)]
    for number, name in enumerate(names):
        (source / name).write_bytes(bytes([number]) * 12_500_000)
    first = ship(targets, source, names, "/var/tmp/arrived")
    (source / names[0]).touch()
    second = ship(targets, source, names, "/var/tmp/arrived")
    ours, theirs = [first], []
    for turn in range(2):
        theirs.append(sftp(targets, [source / name for name in names[:4]]))
        ours.append(ship(targets, source, names, f"/var/tmp/arrived-{turn}"))
    look = "cd /var/tmp/arrived; ls -A . pool; sha256sum pool/*; rm -r /var/tmp/arrived*"
    return {
        "first": first,
        "second": second,
        "arrived": on_first(targets, lambda s: s.run(look).stdout),
        "rates": [max(run["bytes"] / run["seconds"] for run in runs) for runs in (ours, theirs)],
    }


def ship(targets, source, names, destination):
    shipment = Shipment(source=source, names=names, destination=destination)
    started = time.monotonic()
    done = send_to_each({target: shipment for target in targets})
    assert all(outcome.is_ok for outcome in done.values()), done
    sent = sum(outcome.value.bytes for outcome in done.values())
    return {"bytes": sent, "seconds": time.monotonic() - started}


def sftp(targets, paths):
    """Take files to every host at once through paramiko, as stock pyinfra uploads do."""

    def put(session):
        client = session._connection._host.connector.client.open_sftp()
        for path in paths:
            client.put(str(path), f"/var/tmp/arrived-{path.name}")

    with Engine(targets) as engine:
        assert not engine.connect()
        started = time.monotonic()
        done = engine.on_each([target.name for target in targets], put)
        assert all(outcome.is_ok for outcome in done.values()), done
        sent = len(targets) * sum(path.stat().st_size for path in paths)
        return {"bytes": sent, "seconds": time.monotonic() - started}


def main():
    targets = [Target(*fields) for fields in json.loads(sys.argv[2])]
    sys.stdout.write(json.dumps(globals()[sys.argv[1]](targets)))


if __name__ == "__main__":
    main()
