"""The settings that operators change at run time, with the values a new cluster begins with."""

from dataclasses import dataclass, field
from typing import Any

from manager.settings import Settings


@dataclass(frozen=True, slots=True)
class ConfigDefault:
    """A setting's first value and the JSON Schema of its values."""

    scope: str
    name: str
    value: Any
    schema: dict[str, Any] | None = field(default=None, hash=False)


_RETRIES = {"type": "integer", "minimum": -1}
_LEVEL = {"type": "string", "enum": ["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"]}
_COUNT = {"type": "integer", "minimum": 1}
_SECONDS = {"type": "number", "minimum": 0}


def config_defaults(settings: Settings) -> tuple[ConfigDefault, ...]:
    """Return every setting with its first value."""
    rest, worker, agent = settings.rest, settings.worker, settings.agent
    return (
        ConfigDefault(
            "rest",
            "account_lock_period",
            rest.account_lock_period,
            {"type": "number", "minimum": -1},
        ),
        ConfigDefault(
            "rest",
            "failed_logins_before_account_lock",
            rest.failed_logins_before_account_lock,
            {"type": "integer", "minimum": 1},
        ),
        ConfigDefault(
            "rest",
            "default_page_size",
            rest.default_page_size,
            {"type": "integer", "minimum": 1, "maximum": 10000},
        ),
        ConfigDefault("rest", "max_concurrent_workflows", 20, {"type": "integer", "minimum": 1}),
        ConfigDefault("rest", "rest_service_log_level", rest.log_level, _LEVEL),
        ConfigDefault("workflow", "task_retries", worker.task_retries, _RETRIES),
        ConfigDefault("workflow", "task_retry_interval", worker.task_retry_interval, _RETRIES),
        ConfigDefault("workflow", "subgraph_retries", 0, _RETRIES),
        ConfigDefault("mgmtworker", "max_workers", worker.operations, _COUNT),
        ConfigDefault("mgmtworker", "min_workers", 2, _COUNT),
        ConfigDefault("agent", "max_workers", agent.max_workers, _COUNT),
        ConfigDefault("agent", "min_workers", agent.min_workers, _COUNT),
        ConfigDefault("agent", "heartbeat", agent.heartbeat, _SECONDS),
        ConfigDefault("agent", "log_level", agent.log_level.lower()),
    )
