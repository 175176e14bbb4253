"""The settings that operators change at run time, with the values a new cluster begins with."""

from dataclasses import dataclass, field
from typing import Any

from manager.settings import RestSettings


@dataclass(frozen=True, slots=True)
class ConfigDefault:
    """A setting's first value and the JSON Schema of its values."""

    scope: str
    name: str
    value: Any
    schema: dict[str, Any] | None = field(default=None, hash=False)


_RETRIES = {"type": "integer", "minimum": -1}
_LEVEL = {"type": "string", "enum": ["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"]}
_SECONDS = {"type": "number", "minimum": 0}


def config_defaults(rest: RestSettings) -> tuple[ConfigDefault, ...]:
    """Return every setting with its first value."""
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
            "rest", "default_page_size", 1000, {"type": "integer", "minimum": 1, "maximum": 10000}
        ),
        ConfigDefault("rest", "max_concurrent_workflows", 20, {"type": "integer", "minimum": 1}),
        ConfigDefault("rest", "rest_service_log_level", "INFO", _LEVEL),
        ConfigDefault("workflow", "task_retries", 60, _RETRIES),
        ConfigDefault("workflow", "task_retry_interval", 15, _RETRIES),
        ConfigDefault("workflow", "subgraph_retries", 0, _RETRIES),
        ConfigDefault("mgmtworker", "max_workers", 10, {"type": "integer", "minimum": 1}),
        ConfigDefault("mgmtworker", "min_workers", 2, {"type": "integer", "minimum": 1}),
        ConfigDefault("agent", "max_workers", 20, {"type": "integer", "minimum": 1}),
        ConfigDefault("agent", "min_workers", 2, {"type": "integer", "minimum": 1}),
        ConfigDefault("agent", "heartbeat", 30, _SECONDS),
        ConfigDefault("agent", "log_level", "info"),
    )
