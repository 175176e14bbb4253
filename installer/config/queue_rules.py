"""Rules for the message queue of a node: its members, its names, its policies."""

import re
from collections.abc import Iterator

from installer.config.compatibility import dead_keys
from installer.config.model import Document
from installer.config.schema import config_schema, field_at
from installer.config.service_rules import has, missing_key_findings
from installer.config.source import Finding, RuleTable, warning

_COOKIE = re.compile(r"^[A-Za-z0-9_@-]{1,255}$")
_LEAST_RABBITMQ = "4.0"  # Debian 13's; Debian 12 has an older one, which obeys more


def queue_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each thing that a broker lacks."""
    queue = document["rabbitmq"]
    members = queue["cluster_members"]
    if not has(document, "queue"):
        return
    if not has(document, "manager"):
        what = "managers on other nodes need to know the password"
        if not queue["password"]:
            remedy = "add it, and give it to the managers too"
            yield Finding(("rabbitmq", "password"), what, remedy, "cluster-key-missing")
    if len(members) > 1:
        wanted = (("erlang_cookie",), ("cert_path",), ("key_path",), ("ca_path",))
        yield from missing_key_findings(queue, wanted, ("rabbitmq",))
    if members and queue["nodename"] not in members:
        yield Finding(
            ("rabbitmq", "nodename"),
            f"{queue['nodename']!r} is not one of cluster_members: {', '.join(members)}",
            "write the name under which this node is listed",
            "node-not-listed",
        )
    if (first := queue["join_cluster"]) and first not in members:
        yield Finding(
            ("rabbitmq", "join_cluster"),
            f"{first!r} is not one of cluster_members",
            "write the name of another member, or remove the key",
            "join-of-no-member",
        )


def broker_name_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each broker name and cookie that Erlang cannot use.

    Source: Erlang, "Distributed Erlang", long and short node names; "cookies".
    """
    queue = document["rabbitmq"]
    cookie = queue["erlang_cookie"]
    if cookie and not _COOKIE.match(cookie):
        what = "the cookie has characters that Erlang or a shell reads otherwise"
        remedy = "use letters, digits and _ @ -"
        yield Finding(("rabbitmq", "erlang_cookie"), what, remedy, "erlang-cookie-characters")
    if not has(document, "queue"):
        return
    for name in queue["cluster_members"]:
        if "." in name and not queue["use_long_name"]:
            what = f"the short name of a broker has no dots: {name}"
            remedy = "write the name as `hostname -s` prints it, or set use_long_name to true"
            path = ("rabbitmq", "cluster_members", name)
            yield Finding(path, what, remedy, "broker-name-dots")


def policy_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each policy that RabbitMQ 4 refuses.

    Source: RabbitMQ 4.0 release notes, "Removal of classic queue mirroring".
    """
    for index, policy in enumerate(document["rabbitmq"]["policies"]):
        for key in policy["policy"]:
            if key.startswith("ha-"):
                yield Finding(
                    ("rabbitmq", "policies", index, "policy", key),
                    "mirrored queues are gone from RabbitMQ 4",
                    "remove it: queues are quorum queues, which keep copies by themselves",
                    "mirrored-queues",
                )


def dead_policy_findings(document: Document) -> Iterator[Finding]:
    """Yield a warning for each key of a policy that brokers accept and do not obey.

    Source: installer/config/compatibility.yaml, with the release notes that say so.
    """
    policies = document["rabbitmq"]["policies"]
    default = field_at(config_schema(), ("rabbitmq", "policies"))["default"]
    if policies == default:
        return
    dead = {fact.key: fact for fact in dead_keys("rabbitmq", _LEAST_RABBITMQ)}
    for index, policy in enumerate(policies):
        for key in policy["policy"]:
            if key in dead and not key.startswith("ha-"):
                what = f"{key} does nothing since RabbitMQ {dead[key].since}: {dead[key].why}"
                path = ("rabbitmq", "policies", index, "policy", key)
                yield warning(path, what, "remove it", "policy-key-dead")


QUEUE_RULES: RuleTable = {
    queue_findings: ("services_to_install", "rabbitmq", "manager"),
    broker_name_findings: ("services_to_install", "rabbitmq"),
    policy_findings: ("rabbitmq",),
    dead_policy_findings: ("rabbitmq",),
}
