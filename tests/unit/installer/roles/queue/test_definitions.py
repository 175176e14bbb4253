import json

from installer.roles.queue.definitions import definitions, password_hash
from installer.secrets import Secret


def test_the_hash_is_rabbitmqs_own():
    """The worked example of RabbitMQ, "Computing Password Hash"."""
    salt = bytes.fromhex("908DC60A")

    found = password_hash(Secret("test12"), salt)

    assert found == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


def test_every_member_makes_the_same_file(queue):
    """Another salt on each node would make brokers overwrite each other's user at each start."""
    assert definitions(queue(nodename="mq-1")) == definitions(queue(nodename="mq-3"))


def test_another_password_makes_another_hash(queue):
    assert definitions(queue()) != definitions(queue(password="pass-word-2"))


def test_no_password_and_no_guest_is_in_the_file(queue):
    text = definitions(queue()).decode()

    assert "pass-word-1" not in text
    assert [user["name"] for user in json.loads(text)["users"]] == ["cloudify"]


def test_queues_of_the_virtual_host_are_quorum_queues(queue):
    (vhost,) = json.loads(definitions(queue()))["vhosts"]

    assert vhost["metadata"]["default_queue_type"] == "quorum"
    assert vhost["default_queue_type"] == "quorum"


def test_policies_are_taken_over(queue):
    (policy,) = json.loads(definitions(queue()))["policies"]

    assert policy == {
        "vhost": "/",
        "name": "logs",
        "pattern": "^cloudify-log$",
        "apply-to": "queues",
        "definition": {"max-length": 1000000},
        "priority": 100,
    }
