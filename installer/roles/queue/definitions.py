"""Users, virtual hosts, permissions and policies of the broker as RabbitMQ's definitions file."""

import base64
import hashlib
import json

from installer.roles.queue.settings import QueueSettings
from installer.secrets import Secret

VHOST = "/"
_SALT_BYTES = 4


def definitions(queue: QueueSettings) -> bytes:
    """Return the definitions file; the same settings give the same bytes on every member."""
    document = {
        "vhosts": [
            {
                "name": VHOST,
                "default_queue_type": "quorum",  # where RabbitMQ 3.10 to 3.12 look
                "metadata": {
                    "default_queue_type": "quorum",
                    "description": "Cloudify",
                    "tags": [],
                },
            }
        ],
        "users": [
            {
                "name": queue.username,
                "password_hash": password_hash(queue.password, _salt(queue)),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": ["administrator"],  # managers make virtual hosts and users of agents
                "limits": {},
            }
        ],
        "permissions": [
            {"user": queue.username, "vhost": VHOST, "configure": ".*", "write": ".*", "read": ".*"}
        ],
        "policies": [
            {
                "vhost": VHOST,
                "name": policy.name,
                "pattern": policy.pattern,
                "apply-to": "queues",
                "definition": dict(policy.definition),
                "priority": policy.priority,
            }
            for policy in queue.policies
        ],
    }
    return (json.dumps(document, indent=2) + "\n").encode()


def password_hash(password: Secret, salt: bytes) -> str:
    """Return what RabbitMQ stores for a password.

    Source: RabbitMQ, "Credentials and Passwords", "Computing Password Hash".
    """
    digest = hashlib.sha256(salt + password.reveal().encode()).digest()
    return base64.b64encode(salt + digest).decode()


def _salt(queue: QueueSettings) -> bytes:
    """Return a salt of the cluster's own that stays: a fresh one would differ at each run."""
    own = queue.cookie.reveal() if queue.cookie else queue.name
    return hashlib.sha256(f"{own}:{queue.username}".encode()).digest()[:_SALT_BYTES]
