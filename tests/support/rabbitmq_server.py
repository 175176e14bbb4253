"""A private RabbitMQ on loopback: own name, address, ports and data; TLS as in a cluster."""

import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

import pika
from pika.exceptions import AMQPError, ChannelClosedByBroker

from installer.roles.queue.definitions import definitions
from installer.roles.queue.settings import Member, QueueSettings, QueueTls
from installer.secrets import Secret
from tests.support.postgres_server import free_port
from tests.support.processes import Program

USERNAME, PASSWORD = "cloudify", "loopback-only"
PORT, MANAGEMENT_PORT = 5671, 15671  # cloudify-common knows no other
_PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # Debian's command for root changes the user
_CONF = """\
listeners.tcp = none
listeners.ssl.1 = {address}:5671
ssl_options.cacertfile = {tls}/ca.crt
ssl_options.certfile = {tls}/node.crt
ssl_options.keyfile = {tls}/node.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
management.ssl.ip = {address}
management.ssl.port = 15671
management.ssl.cacertfile = {tls}/ca.crt
management.ssl.certfile = {tls}/node.crt
management.ssl.keyfile = {tls}/node.key
load_definitions = {home}/definitions.json
disk_free_limit.absolute = 50MB
log.console = true
log.file = false
"""
# as the product's: an operation is acknowledged when it has ended
_ADVANCED = "[{rabbit, [{consumer_timeout, undefined}]}].\n"


@dataclass
class RabbitmqServer:
    """A broker of its own; `tls` holds ca.crt, node.crt and node.key for its address."""

    home: Path
    address: str
    tls: Path

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True)
        self._write_files()
        epmd = str(free_port())
        erlang_address = "{" + self.address.replace(".", ",") + "}"
        names = {"ERL_EPMD_PORT": epmd, "ERL_EPMD_ADDRESS": self.address}
        environment = {
            **names,
            "HOME": str(self.home),  # where Erlang's cookie goes
            "RABBITMQ_NODENAME": f"cfy-{self.address.replace('.', '-')}@localhost",
            "RABBITMQ_CONF_ENV_FILE": str(self.home / "absent.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.home / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.home / "data"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"+S 2:2 -kernel inet_dist_use_interface {erlang_address}"
            ),
        }
        # ours, in the foreground: the one that Erlang would start outlives the broker
        self.names = Program("epmd", ["epmd"], self.home / "epmd.log", names)
        self.broker = Program("rabbitmq", [_PROGRAM], self.home / "broker.log", environment)

    def _write_files(self) -> None:
        settings = QueueSettings(
            name="localhost",
            members=(Member(name="localhost", address=self.address),),
            username=USERNAME,
            password=Secret(PASSWORD),
            cookie=None,
            tls=QueueTls(certificate=b"", key=b"", ca=b""),
        )
        files = {
            "rabbitmq.conf": _CONF.format(address=self.address, tls=self.tls, home=self.home),
            "advanced.config": _ADVANCED,
            "enabled_plugins": "[rabbitmq_management].\n",
            "definitions.json": definitions(settings).decode(),
        }
        for name, text in files.items():
            (self.home / name).write_text(text)

    def begin(self) -> None:
        """Start the broker without waiting for it."""
        if not Path(_PROGRAM).exists():
            raise RuntimeError("rabbitmq-server is absent: run script/setup")
        if self.names.process is None:
            self.names.start()
        self.broker.start()

    def wait(self) -> None:
        """Wait until clients can log in."""
        self.broker.wait_until(self._admits, timeout_s=120)

    def stop(self) -> None:
        """Stop the broker and its name service."""
        self.broker.stop()
        self.names.stop()

    def connect(self, vhost: str = "/") -> pika.BlockingConnection:
        """Log in as the managers do."""
        context = ssl.create_default_context(cafile=str(self.tls / "ca.crt"))
        parameters = pika.ConnectionParameters(
            host=self.address,
            port=PORT,
            virtual_host=vhost,
            credentials=pika.PlainCredentials(USERNAME, PASSWORD),
            ssl_options=pika.SSLOptions(context, self.address),
            socket_timeout=5,
        )
        return pika.BlockingConnection(parameters)

    def consumers(self, queue: str, vhost: str = "/") -> int:
        """Return how many consume a queue; none do where there is none."""
        with self.connect(vhost) as connection:
            try:
                declared = connection.channel().queue_declare(queue, passive=True)
            except ChannelClosedByBroker:
                return 0
            return int(declared.method.consumer_count)

    def _admits(self) -> bool:
        try:
            socket.create_connection((self.address, PORT), timeout=2).close()  # pika logs refusals
            self.connect().close()
        except (OSError, AMQPError):
            time.sleep(0.1)
            return False
        return True
