"""Publish numbered messages with confirms for a while, then say which confirmed ones are lost.

usage: queue_ledger.py SECONDS CA USER HOST…    the password comes on standard input
The queue is declared on the first host, which then leads it. The last line is a JSON object.
"""

import json
import ssl
import sys
import time
import uuid

import pika
from pika.exceptions import AMQPError, ProbableAuthenticationError

QUEUE = f"ledger-{uuid.uuid4()}"
_FAILURES = (AMQPError, OSError)


def connect(host: str, user: str, password: str, ca: str) -> pika.BlockingConnection:
    context = ssl.create_default_context(cafile=ca)
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            host=host,
            port=5671,
            credentials=pika.PlainCredentials(user, password),
            ssl_options=pika.SSLOptions(context, host),
            socket_timeout=3,
            stack_timeout=5,
            blocked_connection_timeout=5,
            heartbeat=4,
        )
    )


def any_channel(hosts, *login):
    """Return a channel to the first host that answers, with confirms on."""
    for host in hosts:
        try:
            channel = connect(host, *login).channel()
            channel.queue_declare(QUEUE, durable=True)
            channel.confirm_delivery()
            return channel
        except ProbableAuthenticationError:
            raise  # another host would say the same
        except _FAILURES:
            continue
    return None


def publish(seconds, hosts, *login):
    """Return the confirmed numbers, and the longest time between two of them."""
    confirmed, number, longest = [], 0, 0.0
    channel = any_channel(hosts, *login)
    end, last = time.monotonic() + seconds, time.monotonic()
    while time.monotonic() < end:
        number += 1
        try:
            if channel is None:
                channel = any_channel(hosts, *login)
                continue
            persistent = pika.BasicProperties(delivery_mode=2)
            channel.basic_publish("", QUEUE, str(number).encode(), persistent, mandatory=True)
        except _FAILURES:
            channel = None
            hosts = [*hosts[1:], hosts[0]]
            continue
        now = time.monotonic()
        longest, last = max(longest, now - last), now
        confirmed.append(number)
    return confirmed, longest


def drain(hosts, *login):
    """Return the numbers in the queue and delete it."""
    channel = any_channel(hosts, *login)
    found = set()
    while True:
        frame, _, body = channel.basic_get(QUEUE, auto_ack=True)
        if frame is None:
            channel.queue_delete(QUEUE)
            return found
        found.add(int(body))


def main(words):
    seconds, ca, user, *hosts = words
    login = (user, sys.stdin.read().strip(), ca)
    confirmed, longest_gap_s = publish(float(seconds), hosts, *login)
    found = drain(hosts[1:], *login)
    lost = [number for number in confirmed if number not in found]
    result = {"confirmed": len(confirmed), "lost": lost, "longest_gap_s": longest_gap_s}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
