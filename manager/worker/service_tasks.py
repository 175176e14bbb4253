"""What a manager's service queue brings: cancellations, pings, the installation of plugins."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from manager.broker.consume import Delivery
from manager.broker.publish import Unroutable
from manager.broker.topology import SERVICE
from manager.errors import ManagerError
from manager.worker.claims import Reference
from manager.worker.context import Worker
from manager.worker.runner import Job, Runner
from manager.worker.workflows import cancel_lost

Arguments = Mapping[str, Any]

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class ServiceTasks:
    """Does what service messages ask for, in threads of its own: the broker's is not held up."""

    worker: Worker
    workflows: Runner
    operations: Runner
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(4, thread_name_prefix="service")
    )

    def handle(self, delivery: Delivery) -> None:
        """Do what a message asks for, soon."""
        self._threads.submit(self._perform, delivery)

    def _perform(self, delivery: Delivery) -> None:
        task = delivery.body.get("service_task") or {}
        name, kwargs = task.get("task_name"), task.get("kwargs") or {}
        action = self._actions().get(str(name))
        if action is None:
            logger.warning("unknown service task %r", name)
        else:
            try:
                self._reply(delivery, action(kwargs))
            except ManagerError as error:
                logger.warning("service task %s: %s", name, error)
            except Exception:  # the thread's edge: a message that cannot be served is dropped
                logger.exception("service task %s failed", name)
        delivery.acknowledge()

    def _actions(self) -> Mapping[str, Callable[[Arguments], Any]]:
        return {
            "ping": _ping,
            "cancel-workflow": self._cancel_workflow,
            "cancel-operation": self._cancel_operation,
            "install-plugin": self._install_plugin,
            "uninstall-plugin": self._uninstall_plugin,
            "delete-source-plugins": self._delete_source_plugins,
        }

    def _reply(self, delivery: Delivery, result: Any) -> None:
        if delivery.reply_to is None:
            return
        try:
            self.worker.publish(
                SERVICE, delivery.reply_to, result or {}, correlation_id=delivery.correlation_id
            )
        except Unroutable:
            logger.info("nobody waits for the answer of a service task")

    def _cancel_workflow(self, kwargs: Arguments) -> None:
        for each in kwargs["executions"]:
            reference = Reference(
                execution_id=each["id"], tenant=kwargs["tenant"]["name"], token=each["token"]
            )
            _cancel(self._jobs_of(reference.execution_id))
            cancel_lost(self.worker, reference)

    def _cancel_operation(self, kwargs: Arguments) -> None:
        wanted = kwargs["execution_id"]
        _cancel(job for job in self.operations.jobs if job.execution_id == wanted)

    def _jobs_of(self, execution_id: str) -> list[Job]:
        jobs = [*self.workflows.jobs, *self.operations.jobs]
        return [job for job in jobs if job.execution_id == execution_id]

    def _install_plugin(self, kwargs: Arguments) -> None:
        if self.worker.identity.manager in (kwargs.get("target") or []):
            self._plugin_task("install", kwargs)

    def _uninstall_plugin(self, kwargs: Arguments) -> None:
        plugin = kwargs["plugin"]
        prefix = self._root / "plugins" / kwargs["tenant"]["name"] / plugin["package_name"]
        self.worker.environments.forget(prefix / str(plugin["package_version"]))
        self._plugin_task("uninstall", kwargs)

    def _plugin_task(self, name: str, kwargs: Arguments) -> None:
        context = {key: value for key, value in kwargs.items() if key not in ("plugin", "target")}
        task = self.worker.environments.start_own(
            f"manager.worker.plugins.{name}", plugin=kwargs["plugin"], context=context
        )
        task.wait()

    def _delete_source_plugins(self, kwargs: Arguments) -> None:
        task = self.worker.environments.start_own(
            "manager.worker.plugins.remove_source_plugins",
            root=str(self._root),
            tenant=kwargs["tenant_name"],
            deployment_id=kwargs["deployment_id"],
        )
        task.wait()

    @property
    def _root(self) -> Path:
        return self.worker.settings.worker.home


def _ping(_kwargs: Arguments) -> dict[str, Any]:
    return {"time": datetime.now(UTC).timestamp()}


def _cancel(jobs: Iterable[Job]) -> None:
    """End the jobs side by side: each may take five seconds to go."""
    threads = [threading.Thread(target=job.cancel, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
