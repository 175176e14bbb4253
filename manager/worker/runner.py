"""Run deliveries in threads, a limited number at once; what is here already runs only once."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from manager.broker.consume import Delivery
from manager.worker.processes import Task

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Job:
    """A delivery that is being worked on, and the process that does it once there is one."""

    key: str
    execution_id: str
    delivery: Delivery
    task: Task | None = None
    is_cancelled: bool = False
    changed: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """End the job's process; a job that waits gives up."""
        self.is_cancelled = True
        self.changed.set()
        if self.task is not None:
            self.task.terminate()


Work = Callable[[Job], None]


class Runner:
    """Runs jobs of one kind.

    `key` tells which job a delivery is; one that runs already takes over the new delivery, which is
    the one that the broker wants acknowledged.
    """

    def __init__(self, name: str, limit: int, work: Work) -> None:
        self._name = name
        self._limit = limit
        self._work = work
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._threads = 0
        self._lock = threading.Lock()
        self._started_at = time.monotonic()
        self._is_open = True
        self._idle = threading.Condition(self._lock)

    @property
    def jobs(self) -> list[Job]:
        """Return what runs or waits here."""
        with self._lock:
            return list(self._jobs.values())

    def accept(self, key: str, execution_id: str, delivery: Delivery, *, at_once: bool) -> None:
        """Run a delivery when there is room, or `at_once`."""
        with self._lock:
            if key in self._jobs:
                self._jobs[key].delivery = delivery
                return
            if not self._is_open:
                return  # the connection closes soon; then another worker gets it
            job = self._jobs[key] = Job(key, execution_id, delivery)
            if self._threads >= self._limit and not at_once:
                self._waiting.append(job)
                return
            self._threads += 1
        self._start(job)

    def stalled_for_s(self) -> float:
        """Return for how long all threads have been busy without any beginning another job."""
        with self._lock:
            is_full = self._threads >= self._limit
            return time.monotonic() - self._started_at if is_full else 0.0

    def close(self) -> None:
        """Accept no more jobs, and forget those that wait: they are not acknowledged."""
        with self._lock:
            self._is_open = False
            while self._waiting:
                del self._jobs[self._waiting.popleft().key]

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no job runs; tell whether that is so."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._jobs, timeout_s)

    def _start(self, job: Job) -> None:
        self._started_at = time.monotonic()
        thread = threading.Thread(target=self._run, args=(job,), name=f"{self._name} {job.key}")
        thread.daemon = True
        thread.start()

    def _run(self, job: Job) -> None:
        following: Job | None = job
        while following is not None:
            self._perform(following)
            following = self._next(following)

    def _perform(self, job: Job) -> None:
        try:
            self._work(job)
        except Exception:  # the thread's edge
            logger.exception("%s %s failed", self._name, job.key)
            if job.delivery.is_redelivered:  # it would come for ever
                job.delivery.acknowledge()
            else:
                job.delivery.give_back()

    def _next(self, done: Job) -> Job | None:
        with self._idle:
            self._jobs.pop(done.key, None)
            if self._threads <= self._limit and self._waiting:
                self._started_at = time.monotonic()
                return self._waiting.popleft()
            self._threads -= 1
            self._idle.notify_all()
            return None
