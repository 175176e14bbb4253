"""Choose what of a broker's definitions may come back; runs on a broker, before rabbitmqctl.

usage: definitions.py OWN < DEFINITIONS
OWN is the definitions file that the installer wrote there: its users and policies stay as it says,
since passwords may have changed since, and so does the cluster's own identity.
"""

import json
import sys
from typing import Any

_IDENTITY = ("cluster_name", "internal_cluster_id", "cluster_tags")


def restorable(kept: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return the definitions without what the installer itself says of this cluster."""
    users = {user["name"] for user in own.get("users", [])}
    policies = {(policy["vhost"], policy["name"]) for policy in own.get("policies", [])}
    chosen = dict(kept)
    chosen["users"] = [user for user in kept.get("users", []) if user["name"] not in users]
    for kind in ("permissions", "topic_permissions"):
        chosen[kind] = [one for one in kept.get(kind, []) if one["user"] not in users]
    chosen["policies"] = [
        one for one in kept.get("policies", []) if (one["vhost"], one["name"]) not in policies
    ]
    chosen["global_parameters"] = [
        one for one in kept.get("global_parameters", []) if one["name"] not in _IDENTITY
    ]
    return chosen


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        installers = json.load(file)
    json.dump(restorable(json.load(sys.stdin), installers), sys.stdout)
