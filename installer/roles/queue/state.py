"""Bring one RabbitMQ node to the state that config.yaml describes."""

import shlex
from pathlib import Path

from installer.roles.queue.definitions import definitions
from installer.roles.queue.settings import QueueSettings
from installer.state import Directory, Gate, ManagedFile, NodeState, Package, Stage, Step, Unit
from installer.templates import render

UNIT = "rabbitmq-server.service"
DEFINITIONS = "/etc/rabbitmq/definitions.json"
_TLS = "/etc/rabbitmq/tls"
CERTIFICATE = f"{_TLS}/node.crt"
_COOKIE = "/var/lib/rabbitmq/.erlang.cookie"
_DROP_INS = f"/etc/systemd/system/{UNIT}.d"
_HARDENING = f"{_DROP_INS}/20-hardening.conf"
_NAMES = "/etc/rabbitmq/erl_inetrc"
_MEMBERS = "/etc/rabbitmq/conf.d/members.conf"
_OWNER = "rabbitmq"
_PROBE = (Path(__file__).parent / "probe.py").read_text()


def queue_stages(queue: QueueSettings) -> tuple[Stage, ...]:
    """Return the stages of a RabbitMQ node: its package, then the broker in its cluster."""
    return (
        Stage(
            name="packages",
            state=NodeState(packages=(Package("rabbitmq-server"),), files=_drop_ins(queue)),
        ),
        Stage(
            name="broker",
            state=_broker(queue),
            gate=_cluster_gate(queue),
            steps=(*_cookie_step(queue), _definitions_step(queue), *_replicas_step(queue)),
        ),
    )


def _drop_ins(queue: QueueSettings) -> tuple[ManagedFile, ManagedFile]:
    """Return what is ours of the unit, all before the package: systemd then reads it once."""
    return (
        ManagedFile(
            path=f"{_DROP_INS}/10-configured.conf",
            content=render("queue/10-configured.conf.j2"),
            before_packages=True,
        ),
        ManagedFile(
            path=_HARDENING,
            content=render("queue/20-hardening.conf.j2", queue=queue),
            before_packages=True,
        ),
    )


def _broker(queue: QueueSettings) -> NodeState:
    ca, *pair = _trust(queue)
    files = (*_configuration(queue), ca, *_cookie(queue))
    users = ManagedFile(
        path=DEFINITIONS,
        content=definitions(queue),
        owner=_OWNER,
        mode=0o400,  # the broker is its only reader
        secret=True,
    )
    # whom a broker without data joins, and by which names, is nothing to one that runs
    live = (users.path, _NAMES)
    unit = Unit(
        name=UNIT,
        restart_on=(_HARDENING, *(f.path for f in files if f.path not in (*live, _MEMBERS))),
        reload_on=live,
        one_at_a_time=True,
    )
    return NodeState(
        directories=(Directory(path=_TLS, owner="root", group=_OWNER, mode=0o750),),
        files=(*files, *pair, users),
        units=(unit,),
        data=("/var/lib/rabbitmq", "/var/log/rabbitmq"),
    )


def _configuration(queue: QueueSettings) -> tuple[ManagedFile, ...]:
    plain = (
        "rabbitmq.conf",
        "advanced.config",
        "rabbitmq-env.conf",
        "inter_node_tls.config",
        "erl_inetrc",
    )
    return (
        *(
            ManagedFile(
                path=f"/etc/rabbitmq/{name}", content=render(f"queue/{name}.j2", queue=queue)
            )
            for name in plain
        ),
        ManagedFile(path=_MEMBERS, content=render("queue/members.conf.j2", queue=queue)),
        ManagedFile(
            path="/etc/rabbitmq/enabled_plugins",
            content=render("queue/enabled_plugins.j2"),
            owner=_OWNER,  # the package's scripts give it to the broker at each upgrade
        ),
    )


def _trust(queue: QueueSettings) -> tuple[ManagedFile, ...]:
    return (
        ManagedFile(path=f"{_TLS}/ca.crt", content=queue.tls.ca),
        ManagedFile(path=CERTIFICATE, content=queue.tls.certificate),
        ManagedFile(
            path=f"{_TLS}/node.key",
            content=queue.tls.key,
            owner=_OWNER,
            mode=0o400,  # the broker is its only reader
            secret=True,
        ),
    )


def _cookie(queue: QueueSettings) -> tuple[ManagedFile, ...]:
    if queue.cookie is None:
        return ()
    return (
        ManagedFile(
            path=_COOKIE,
            content=queue.cookie.reveal().encode(),
            owner=_OWNER,
            mode=0o400,  # Erlang refuses a cookie that others can read
            secret=True,
        ),
    )


def _cookie_step(queue: QueueSettings) -> tuple[Step, ...]:
    """Return the step that refuses another cookie: brokers with two cookies part their cluster."""
    if queue.cookie is None or len(queue.members) == 1:
        return ()
    return (
        Step(
            name="Keep the Erlang cookie of the running cluster",
            guard=render("queue/same_cookie.sh.j2", path=_COOKIE, unit=UNIT).decode(),
            script="true",
            secrets={"ERLANG_COOKIE": queue.cookie},
        ),
    )


def _cluster_gate(queue: QueueSettings) -> Gate:
    members = [f"{member.name}={member.address}" for member in queue.members]
    return Gate(
        name="all brokers run in one cluster without alarms",
        check=queue_probe("cluster", queue.name, queue.username, *members),
        secrets={"BROKER_PASSWORD": queue.password},
        timeout_s=180,  # two cores that start ten hosts at once need most of it
        units=(UNIT,),
        needs_peers=len(queue.members) > 1,
    )


def _definitions_step(queue: QueueSettings) -> Step:
    """Return the step that undoes changes by hand; a broker loads the file when it starts."""
    guest = "" if queue.username == "guest" else _DELETE_GUEST
    return Step(
        name="Restore users, permissions and policies",
        guard=f"test -e {DEFINITIONS}\n"
        + queue_probe("definitions", queue.name, queue.username, DEFINITIONS),
        script=f"systemctl reload {UNIT}\n{guest}",
        secrets={"BROKER_PASSWORD": queue.password},
        once=True,
        timeout_s=120,
    )


def _replicas_step(queue: QueueSettings) -> tuple[Step, ...]:
    """Return the step that lets brokers that joined hold what those that left held."""
    if not queue.peers:
        return ()
    words = (queue.name, queue.username, queue.replicas)
    return (
        Step(
            name="Give every queue the replicas that it lacks",
            guard=f"test -e {DEFINITIONS}\n" + queue_probe("replicas", *words),
            script=queue_probe("grow", *words),
            secrets={"BROKER_PASSWORD": queue.password},
            once=True,
            timeout_s=180,
        ),
    )


_DELETE_GUEST = """\
if rabbitmqctl --silent list_users | grep -q '^guest[[:space:]]'; then
    rabbitmqctl --silent delete_user guest
fi
"""


# prints the name of each; stable ones are required by some later series
DISABLED_FLAGS = (
    "rabbitmqctl --silent list_feature_flags name state stability"
    ' | awk \'$2 == "disabled" && $3 != "experimental" { print $1 }\''
)


def feature_flags_step() -> Step:
    """Return the step that enables what only a cluster of equal versions may have.

    Source: RabbitMQ, "Feature Flags": after all nodes are upgraded, enable all stable ones; the
    next upgrade demands it.
    """
    return Step(
        name="Enable all stable feature flags",
        guard=f"! {DISABLED_FLAGS} | grep -q .",
        script="rabbitmqctl --silent enable_feature_flag all",
        timeout_s=180,
    )


def queue_probe(*words: object) -> str:
    """Return shell text that runs the role's probe on a node."""
    return f"exec python3 -I - {shlex.join(map(str, words))} <<'PROBE'\n{_PROBE}PROBE\n"
