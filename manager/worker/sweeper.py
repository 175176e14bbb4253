"""What the worker does at intervals: say that it lives, and find what nobody runs any more."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from manager.broker.consume import Consumer
from manager.errors import Unavailable
from manager.services.dispatch import dispatch_workflow, redispatch_pending
from manager.services.execution_life import start_due
from manager.worker.claims import RENEWAL_S, orphans, release, renew
from manager.worker.context import Worker

_SWEEP_S = 15.0
_ORPHANED_S = 120.0  # longer than a broker and a claim take to notice a lost worker
_ISOLATED_S = 20.0  # before that long others do not take what this worker has claimed

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Sweeper:
    """Keeps the worker's claims; `fence` ends all tasks when the worker is cut off."""

    worker: Worker
    consumer: Consumer
    tasks: Callable[[], None]  # further work for each round
    fence: Callable[[], None]
    _renewed_at: float = field(default_factory=time.monotonic)
    _swept_at: float = 0.0

    def run(self) -> None:
        """Work until the worker stops."""
        while not self.worker.stopping.wait(RENEWAL_S):
            self._renew()
            self.tasks()
            if time.monotonic() - self._swept_at >= _SWEEP_S:
                self._swept_at = time.monotonic()
                self._attempt(sweep)

    def _renew(self) -> None:
        if self._attempt(lambda session: renew(session, self.worker.identity)):
            self._renewed_at = time.monotonic()
            return
        silent_s = time.monotonic() - self._renewed_at
        if silent_s > _ISOLATED_S and not self.consumer.is_consuming.is_set():
            logger.error("neither database nor broker answers: ending all tasks")
            self.fence()

    def _attempt(self, change: Callable[[Session], None]) -> bool:
        try:
            with self.worker.database.session() as session:
                change(session)
        except Unavailable as error:
            logger.warning("%s", error)
            return False
        return True


def sweep(session: Session) -> None:
    """Dispatch what was never published, what is due, and what has lost its worker."""
    start_due(session)  # first: it takes the gate, which comes before rows of executions
    redispatch_pending(session)
    for execution in orphans(session, _ORPHANED_S):
        logger.warning("execution %s has lost its worker and its message", execution.id)
        release(execution)
        dispatch_workflow(session, execution)
