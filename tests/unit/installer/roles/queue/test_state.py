import re
import subprocess

import pytest

from installer.roles.queue.settings import QueueSettings
from installer.roles.queue.state import DEFINITIONS, UNIT, queue_stages
from installer.state import REFUSED, NodeState, Stage, Step


def _text(state: NodeState, path: str) -> str:
    return state.file(path).content.decode()


def _unit_files(settings: QueueSettings) -> NodeState:
    return queue_stages(settings)[0].state


def _broker(settings: QueueSettings) -> Stage:
    return queue_stages(settings)[-1]


def test_every_member_is_listed_in_rabbitmq_conf(queue):
    """A broker that knows only itself forms a cluster of one."""
    conf = _text(_broker(queue()).state, "/etc/rabbitmq/conf.d/members.conf")

    members = re.findall(r"classic_config\.nodes\.\d = (\S+)", conf)

    assert members == ["rabbit@mq-1", "rabbit@mq-2", "rabbit@mq-3"]


def test_nothing_listens_without_tls(queue):
    conf = _text(_broker(queue()).state, "/etc/rabbitmq/rabbitmq.conf")

    assert "listeners.tcp = none" in conf
    assert "listeners.ssl.default = 5671" in conf
    assert "management.ssl.port = 15671" in conf
    assert "management.tcp" not in conf


def test_brokers_demand_certificates_of_each_other(queue):
    state = _broker(queue()).state

    options = _text(state, "/etc/rabbitmq/inter_node_tls.config")

    assert "-proto_dist inet_tls" in _text(state, "/etc/rabbitmq/rabbitmq-env.conf")
    assert "{fail_if_no_peer_cert, true}" in options
    assert options.count("{verify, verify_peer}") == 2


def test_a_silent_member_is_given_up_within_seconds(queue):
    """Erlang waits a minute, and until then each question to all brokers waits with it."""
    options = _text(_broker(queue()).state, "/etc/rabbitmq/advanced.config")

    assert options.count("{raw, 6, 18, <<5000:32/native>>}") == 2
    assert options.count("{keepalive, true}") == 2


def test_members_resolve_without_the_hosts_file(queue):
    names = _text(_broker(queue()).state, "/etc/rabbitmq/erl_inetrc")

    assert '{host, {10,0,0,23}, ["mq-3"]}.' in names


def test_the_package_cannot_start_a_broker_without_its_configuration(queue):
    """Such a broker has data and so never joins the cluster."""
    packages = queue_stages(queue())[0].state

    condition = next(file for file in packages.files if file.path.endswith("10-configured.conf"))
    assert all(file.before_packages for file in packages.files)
    assert f"ConditionPathExists={DEFINITIONS}" in condition.content.decode()


@pytest.mark.parametrize("path", [".erlang.cookie", "definitions.json", "node.key"])
def test_secrets_are_readable_by_the_broker_only(queue, path):
    (file,) = (file for file in _broker(queue()).state.files if file.path.endswith(path))

    assert (file.owner, file.mode, file.secret) == ("rabbitmq", 0o400, True)


def test_a_single_broker_keeps_the_cookie_of_its_package(queue):
    files = _broker(queue(cluster_members={}, erlang_cookie=None)).state.files

    assert not [file for file in files if "cookie" in file.path]


def test_brokers_restart_one_at_a_time_for_everything_but_what_they_read_anew(queue):
    """Users are loaded, certificates looked for, members known: a restart costs a failover."""
    state = _broker(queue()).state

    (unit,) = state.units

    assert unit.one_at_a_time
    loaded = {DEFINITIONS, "/etc/rabbitmq/erl_inetrc"}
    left = {file.path for file in state.files} - set(unit.restart_on)
    pair = {"/etc/rabbitmq/tls/node.crt", "/etc/rabbitmq/tls/node.key"}
    assert left == loaded | pair | {"/etc/rabbitmq/conf.d/members.conf"}
    assert set(unit.reload_on) == loaded


def test_a_further_member_restarts_no_broker(queue):
    """Two more: an even number would be a problem."""
    five = {f"mq-{n}": {"networks": {"default": f"10.0.0.2{n}"}} for n in range(1, 6)}
    before, after = (_broker(queue(**changed)) for changed in ({}, {"cluster_members": five}))
    (unit,) = after.state.units

    files = zip(before.state.files, after.state.files, strict=True)
    changed = {new.path for old, new in files if old.content != new.content}
    assert changed
    assert not changed & set(unit.restart_on)


def test_queues_get_the_replicas_that_three_brokers_can_hold(queue):
    (step,) = [step for step in _broker(queue()).steps if "replicas" in step.name]

    assert "probe" not in step.name
    assert "replicas mq-2 cloudify 3 <<" in step.guard
    assert step.once
    alone = _broker(queue(cluster_members={})).steps
    assert not [step for step in alone if "replicas" in step.name]


def test_brokers_look_for_changed_certificates_every_five_seconds(queue):
    """Erlang's own pause is two minutes; links between brokers never clear its cache by hand."""
    environment = _broker(queue()).state.file("/etc/rabbitmq/rabbitmq-env.conf").content.decode()

    (arguments,) = re.findall('^SERVER_ADDITIONAL_ERL_ARGS="(.*)"$', environment, re.MULTILINE)

    assert "-ssl ssl_pem_cache_clean 5000" in arguments


def test_the_limit_of_open_files_is_the_configured_one(queue):
    files = _unit_files(queue(fd_limit=4096))

    assert "LimitNOFILE=4096" in _text(files, f"/etc/systemd/system/{UNIT}.d/20-hardening.conf")


def test_a_broker_with_peers_may_be_installed_before_them(queue):
    assert _broker(queue()).gate.needs_peers
    assert not _broker(queue(cluster_members={})).gate.needs_peers


def test_passwords_are_not_in_scripts(queue):
    stage = _broker(queue())

    scripts = (
        stage.gate.check,
        *(text for step in stage.steps for text in (step.guard, step.script)),
    )

    assert not [script for script in scripts if "pass-word-1" in script]


def _definitions(settings: QueueSettings) -> Step:
    return next(step for step in _broker(settings).steps if "Restore users" in step.name)


def test_the_user_guest_is_kept_only_when_it_is_the_configured_one(queue):
    other = _definitions(queue())
    guest = _definitions(queue(username="guest"))

    assert "delete_user guest" in other.script
    assert "delete_user" not in guest.script


def test_scripts_are_shell(queue):
    stage = _broker(queue())
    texts = [text for step in stage.steps for text in (step.guard, step.script)]

    for text in (stage.gate.check, *texts):
        subprocess.run(["sh", "-n"], input=text, text=True, check=True)


def test_stopping_leaves_the_brokers_helpers_alive_until_it_has_ended(queue):
    """They die of the signal before it and it logs crashes, or they ignore it for minutes."""
    drop_in = _text(_unit_files(queue()), f"/etc/systemd/system/{UNIT}.d/20-hardening.conf")

    assert "KillMode=mixed" in drop_in


@pytest.mark.parametrize(
    ("there", "runs", "code"),
    [("erlang", True, 0), ("another", False, 0), (None, True, 0), ("another", True, REFUSED)],
    ids=["same", "stopped", "bare host", "running"],
)
def test_another_cookie_is_refused_while_brokers_run(queue, tmp_path, there, runs, code):
    """Restarted one at a time, brokers with two cookies part their cluster."""
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\nexit {0 if runs else 3}\n")
    (tmp_path / "systemctl").chmod(0o755)
    if there:
        (tmp_path / "cookie").write_text(there)
    step = _broker(queue()).steps[0]

    done = subprocess.run(
        [
            "sh",
            "-euc",
            step.guard.replace("/var/lib/rabbitmq/.erlang.cookie", f"{tmp_path}/cookie"),
        ],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "ERLANG_COOKIE": "erlang"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == code
    assert len(done.stdout.splitlines()) == (2 if code else 0)


def test_a_single_broker_may_change_its_cookie(queue):
    assert len(_broker(queue(cluster_members={})).steps) == 1


@pytest.mark.parametrize(("has_ipv6", "lines"), [(True, ["management.ssl.ip = ::"]), (False, [])])
def test_management_listens_on_ipv6_where_the_kernel_has_it(queue, has_ipv6, lines):
    """RabbitMQ 4 takes IPv4 alone by itself, and `::` fails where there is no IPv6."""
    broker = queue_stages(queue(has_ipv6=has_ipv6))[1]

    conf = broker.state.file("/etc/rabbitmq/rabbitmq.conf").content.decode()

    assert [line for line in conf.splitlines() if line.startswith("management.ssl.ip")] == lines
