"""What all parts of the worker share."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from manager.broker.connection import retry_delays
from manager.broker.publish import Publisher
from manager.errors import ManagerError, Unavailable
from manager.settings import Settings
from manager.storage.database import Database
from manager.worker.claims import Identity
from manager.worker.environments import Environments

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


class Stopping(ManagerError):
    """The worker stops: what it has not finished belongs to others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """The worker's parts."""

    settings: Settings
    database: Database
    publisher: Publisher
    identity: Identity
    environments: Environments
    stopping: threading.Event = field(default_factory=threading.Event)

    def store(self, change: Callable[[Session], Result]) -> Result:
        """Return what `change` does in a transaction; wait for the database as long as it takes.

        Raises Stopping when the worker stops meanwhile.
        """

        def attempt() -> Result:
            with self.database.session() as session:
                return change(session)

        return self._insist(attempt)

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: Mapping[str, Any],
        *,
        correlation_id: str | None,
    ) -> None:
        """Publish; wait for a broker as long as it takes. Raises Unroutable or Stopping."""
        self._insist(
            lambda: self.publisher.publish(
                exchange, routing_key, body, correlation_id=correlation_id
            )
        )

    def _insist(self, attempt: Callable[[], Result]) -> Result:
        for delay_s in retry_delays():
            try:
                return attempt()
            except Unavailable as error:
                logger.warning("trying again: %s", error)
            if self.stopping.wait(delay_s):
                raise Stopping("the worker stops")
        raise AssertionError  # the delays have no end
