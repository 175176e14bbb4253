"""Publish numbered messages to a quorum queue with confirms, look at it, or empty it.

usage, on a manager's host: python -c TEXT publish|look|empty QUEUE

`publish` prints each confirmed message until its stdin ends; the host that leads the queue is the
first it connects to.
"""

import base64
import json
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request

import pika
from pika.exceptions import AMQPError

from manager.settings import settings_path
from manager.settings_file import load_settings

PAUSE_S = 0.05
RETRY_S = 0.2
QUIET_S = 1  # without a message, before the broker is asked whether the queue is empty
SILENCE_S = 6  # the managers' own figure: data unacknowledged this long means a dead host

BROKERS = load_settings(settings_path()).rabbitmq
CONTEXT = ssl.create_default_context(cafile=str(BROKERS.ca_path))


def say(**words):
    sys.stdout.write(json.dumps({"time": time.time(), **words}) + "\n")
    sys.stdout.flush()


def connect():
    """Connect to the first broker that answers; a dead one costs three seconds."""
    options = {"TCP_USER_TIMEOUT": SILENCE_S * 1000, "TCP_KEEPIDLE": 2, "TCP_KEEPINTVL": 2}
    choices = [
        pika.ConnectionParameters(
            host=host.address,
            port=BROKERS.port,
            credentials=pika.PlainCredentials(BROKERS.username, BROKERS.password),
            ssl_options=pika.SSLOptions(CONTEXT, server_hostname=host.address),
            socket_timeout=3,
            stack_timeout=3,
            heartbeat=SILENCE_S,
            tcp_options=options,
        )
        for host in BROKERS.hosts
    ]
    return pika.BlockingConnection(choices)


def open_channel(queue):
    channel = connect().channel()
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    channel.confirm_delivery()
    return channel


def publish_one(channel, queue, number):
    """Publish one message; returns when the broker has confirmed it, else raises."""
    properties = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
    body = str(number).encode()
    channel.basic_publish("", queue, body, properties, mandatory=True)
    say(number=number)


def publish(queue):
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    channel, number, pause_s = None, 0, 0.0
    while not ended.wait(pause_s):
        try:
            channel = channel or open_channel(queue)
            number += 1
            publish_one(channel, queue, number)
            pause_s = PAUSE_S
        except (AMQPError, OSError) as error:
            say(failure=repr(error)[:200])
            channel, pause_s = None, RETRY_S


def look(queue):
    """Print what the first broker that answers knows of the queue."""
    credentials = base64.b64encode(f"{BROKERS.username}:{BROKERS.password}".encode()).decode()
    for host in BROKERS.hosts:
        url = f"https://{host.address}:{BROKERS.management_port}/api/queues/%2F/{queue}"
        request = urllib.request.Request(url, headers={"Authorization": f"Basic {credentials}"})
        try:
            with urllib.request.urlopen(request, timeout=3, context=CONTEXT) as reply:
                found = json.load(reply)
        except (urllib.error.URLError, TimeoutError) as error:
            sys.stderr.write(f"{host.address}: {error}\n")
            continue
        say(**{key: found.get(key) for key in ("leader", "members", "online")})
        return


def empty(queue):
    channel = open_channel(queue)
    for method, _, body in channel.consume(queue, auto_ack=True, inactivity_timeout=QUIET_S):
        if method is not None:
            say(number=int(body))
        elif not channel.queue_declare(queue, passive=True).method.message_count:
            break
    channel.cancel()
    channel.queue_delete(queue)


if __name__ == "__main__":
    {"publish": publish, "look": look, "empty": empty}[sys.argv[1]](sys.argv[2])
