"""A broker that remembers what it is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from manager.errors import Unavailable


@dataclass
class RememberedPublisher:
    """A broker's stand-in: it keeps what it takes, and refuses all while `is_down`."""

    taken: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    is_down: bool = False

    def publish(
        self, exchange: str, routing_key: str, body: Mapping[str, Any], **_options: Any
    ) -> None:
        """Remember a message."""
        if self.is_down:
            raise Unavailable("no broker")
        self.taken.append((exchange, routing_key, body))

    @property
    def tokens(self) -> dict[str, str]:
        """Return the last token that each execution was sent with."""
        found = {}
        for _, _, body in self.taken:
            if "cloudify_task" in body:
                context = body["cloudify_task"]["kwargs"]["__cloudify_context"]
                found[context["execution_id"]] = context["execution_token"]
            else:
                for execution in body["service_task"]["kwargs"]["executions"]:
                    found[execution["id"]] = execution["token"]
        return found
