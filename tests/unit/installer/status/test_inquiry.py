"""What the brokers' management API says, as presence."""

from installer.status.inquiry import read_brokers, read_queues


def test_a_broker_that_is_parted_from_another_counts_as_gone():
    told = [
        {"name": "rabbit@queue-1", "running": True, "partitions": []},
        {"name": "rabbit@queue-2", "running": True, "partitions": ["rabbit@queue-3"]},
        {"name": "rabbit@queue-3", "running": False},
    ]

    assert read_brokers(told) == {"queue-1": True, "queue-2": False, "queue-3": False}


def test_only_replicated_queues_count():
    told = [
        {"name": "reply", "type": "classic"},
        {
            "name": "tasks",
            "type": "quorum",
            "members": ["rabbit@queue-1", "rabbit@queue-2"],
            "online": ["rabbit@queue-2"],
        },
    ]

    (queue,) = read_queues(told)

    assert (queue.name, queue.members, queue.online) == (
        "tasks",
        {"queue-1", "queue-2"},
        {"queue-2"},
    )
