"""The management worker: `python -m manager worker`."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

from manager.broker.consume import Consumer, Delivery, Subscription
from manager.broker.publish import ConfirmedPublisher
from manager.broker.topology import OPERATIONS, WORKFLOWS, service_queue
from manager.errors import Unavailable
from manager.services.dispatch import connect_outlet
from manager.settings import Settings
from manager.storage.database import Database
from manager.worker.claims import Identity, release_all
from manager.worker.context import Worker
from manager.worker.environments import Environments
from manager.worker.operations import operation_key, run_operation
from manager.worker.places import Places
from manager.worker.runner import Job, Runner
from manager.worker.service_tasks import ServiceTasks
from manager.worker.sweeper import Sweeper
from manager.worker.workflows import run_workflow, workflow_key

_CONNECTIONS = 8  # to the database; each is used for milliseconds
_SERVICE_MESSAGES = 16
_STALLED_S = 30.0  # full of workflows that may wait for each other's children: run one more
_IDLE_S = 10.0
_PUBLISH_TYPES = "manager.worker.system.publish_types"

logger = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Work until a signal comes."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    places = Places(settings.worker.home)
    places.prepare()
    with closing(Database(settings.database, connections=_CONNECTIONS)) as database:
        publisher = ConfirmedPublisher(settings.rabbitmq)
        connect_outlet(database, publisher)
        worker = Worker(
            settings=settings,
            database=database,
            publisher=publisher,
            identity=Identity.of(settings.manager.hostname),
            environments=Environments(settings, places),
            stopping=stopping,
        )
        ManagementWorker(worker).run()


class ManagementWorker:
    """The worker's threads: one consumes, one sweeps, each job has its own."""

    def __init__(self, worker: Worker) -> None:
        limits = worker.settings.worker
        self._worker = worker
        self._workflows = Runner("workflow", limits.workflows, self._running(run_workflow))
        self._operations = Runner("operation", limits.operations, self._running(run_operation))
        service = ServiceTasks(worker, self._workflows, self._operations)
        self._queues = {
            Subscription(WORKFLOWS, limits.workflows, self._accept_workflow): self._workflows,
            Subscription(OPERATIONS, limits.operations, self._accept_operation): self._operations,
        }
        own = service_queue(worker.identity.manager)
        self._consumer = Consumer(
            worker.settings.rabbitmq,
            [*self._queues, Subscription(own, _SERVICE_MESSAGES, service.handle)],
        )
        self._sweeper = Sweeper(worker, self._consumer, tasks=self._relieve, fence=self._fence)

    def run(self) -> None:
        """Work until the worker is told to stop; then leave what is not done to others."""
        self._worker.environments.open()
        self._publish_types()
        self._consumer.start()
        self._say_when_ready()
        self._sweeper.run()
        self._stop()

    def _publish_types(self) -> None:
        resources = str(self._worker.settings.paths.resources)
        self._worker.environments.start_own(_PUBLISH_TYPES, resources=resources).wait()

    def _accept_workflow(self, delivery: Delivery) -> None:
        self._accept(self._workflows, workflow_key, delivery)

    def _accept_operation(self, delivery: Delivery) -> None:
        self._accept(self._operations, operation_key, delivery)

    def _accept(
        self, runner: Runner, key_of: Callable[[Any], tuple[str, str]], delivery: Delivery
    ) -> None:
        try:
            key, execution_id = key_of(delivery.body)
        except (KeyError, TypeError):
            logger.error("dropped a message that names no task")
            delivery.acknowledge()
            return
        runner.accept(key, execution_id, delivery, at_once=runner.stalled_for_s() > _STALLED_S)

    def _running(self, work: Callable[[Worker, Job], None]) -> Callable[[Job], None]:
        return lambda job: work(self._worker, job)

    def _relieve(self) -> None:
        """Run one more of a kind that stands still, and free what plugins no longer use."""
        for subscription, runner in self._queues.items():
            if runner.stalled_for_s() > _STALLED_S:
                self._consumer.fetch_one(subscription)
        self._worker.environments.reap()

    def _fence(self) -> None:
        self._worker.environments.close()

    def _say_when_ready(self) -> None:
        def wait() -> None:
            self._consumer.is_consuming.wait()
            logger.info("consuming as %s", self._worker.identity.name)
            notify("READY=1")

        threading.Thread(target=wait, name="ready", daemon=True).start()

    def _stop(self) -> None:
        """Give running operations a moment to end, then leave everything else to others."""
        notify("STOPPING=1")
        self._workflows.close()
        self._operations.close()
        self._consumer.cancel()
        self._operations.wait_idle(self._worker.settings.worker.stop_timeout_s)
        self._worker.environments.close()
        self._workflows.wait_idle(_IDLE_S)
        try:
            with self._worker.database.session() as session:
                release_all(session, self._worker.identity)
        except Unavailable as error:
            logger.warning("claims end by themselves: %s", error)
        self._consumer.stop()


def notify(state: str) -> None:
    """Tell systemd of the worker's state, if it has started it. Source: sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.sendto(state.encode(), address.replace("@", "\0", 1))
