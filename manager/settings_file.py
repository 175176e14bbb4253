"""Read manager.yaml: shape, types and rules, every problem at once."""

import dataclasses
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from manager.errors import SettingsError, SettingsProblem
from manager.settings import NodeAddress, Settings, is_host

_SSL_MODES = ("verify-full", "verify-ca", "require", "prefer", "disable")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_CORRECT_TYPE = "correct the value; docs/reference/manager-yaml.md describes every key"


def load_settings(path: Path) -> Settings:
    """Return the settings in the file at `path`.

    Raises SettingsError with every problem when it is absent or invalid.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        problem = SettingsProblem(
            "file", error.strerror or str(error), "let the installer write it"
        )
        raise SettingsError(str(path), [problem]) from error
    except yaml.YAMLError as error:
        problem = SettingsProblem("file", f"not YAML: {error}", "correct its syntax")
        raise SettingsError(str(path), [problem]) from error
    return parse_settings(document, str(path))


def parse_settings(document: object, source: str = "manager.yaml") -> Settings:
    """Return the settings in `document`; raises SettingsError with every problem."""
    problems: list[SettingsProblem] = []
    settings = _parse(Settings, document, "", problems)
    if not problems:
        problems.extend(_rule_problems(settings))
    if problems:
        raise SettingsError(source, problems)
    return typing.cast(Settings, settings)


def _parse(kind: Any, value: object, where: str, problems: list[SettingsProblem]) -> Any:
    if dataclasses.is_dataclass(kind):
        return _parse_dataclass(typing.cast(type, kind), value, where, problems)
    origin = typing.get_origin(kind)
    if origin is types.UnionType:
        inner = next(part for part in typing.get_args(kind) if part is not type(None))
        return None if value is None else _parse(inner, value, where, problems)
    if origin is tuple:
        return _parse_list(typing.get_args(kind)[0], value, where, problems)
    if origin is dict:
        return _parse_mapping(value, where, problems)
    return _parse_scalar(kind, value, where, problems)


def _parse_dataclass(
    kind: type, value: object, where: str, problems: list[SettingsProblem]
) -> object | None:
    if not isinstance(value, dict):
        problems.append(_wrong_type(where, "a mapping", value))
        return None
    hints = typing.get_type_hints(kind)
    found = len(problems)
    arguments = {}
    for name in value.keys() - hints.keys():
        problems.append(SettingsProblem(_join(where, name), "unknown key", "remove it"))
    for item in dataclasses.fields(kind):
        place = _join(where, item.name)
        if item.name in value:
            arguments[item.name] = _parse(hints[item.name], value[item.name], place, problems)
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            problems.append(SettingsProblem(place, "missing", "add it"))
    return kind(**arguments) if len(problems) == found else None


def _parse_list(
    kind: Any, value: object, where: str, problems: list[SettingsProblem]
) -> tuple[Any, ...]:
    if not isinstance(value, list):
        problems.append(_wrong_type(where, "a list", value))
        return ()
    return tuple(_parse(kind, item, f"{where}[{i}]", problems) for i, item in enumerate(value))


def _parse_mapping(
    value: object, where: str, problems: list[SettingsProblem]
) -> dict[str, str] | None:
    if not isinstance(value, dict):
        problems.append(_wrong_type(where, "a mapping", value))
        return None
    return {
        str(key): _parse_scalar(str, item, _join(where, key), problems)
        for key, item in value.items()
    }


def _parse_scalar(kind: Any, value: object, where: str, problems: list[SettingsProblem]) -> Any:
    expected = str if kind is Path else kind
    if type(value) is not expected:
        words = {str: "a string", int: "a whole number", bool: "true or false"}
        problems.append(_wrong_type(where, words[expected], value))
        return None
    return Path(str(value)) if kind is Path else value


def _wrong_type(where: str, wanted: str, value: object) -> SettingsProblem:
    # The value itself may be a secret, so only its type is told.
    what = f"must be {wanted}, not {type(value).__name__}"
    return SettingsProblem(where or "file", what, _CORRECT_TYPE)


def _join(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _rule_problems(settings: Settings) -> Iterator[SettingsProblem]:
    yield from _manager_problems(settings)
    yield from _hosts_problems("database.hosts", settings.database.hosts)
    yield from _hosts_problems("rabbitmq.hosts", settings.rabbitmq.hosts)
    yield from _database_problems(settings)
    yield from _number_problems(settings)
    yield from _level_problems(settings)


def _manager_problems(settings: Settings) -> Iterator[SettingsProblem]:
    for key in ("private_ip", "public_ip"):
        if not getattr(settings.manager, key):
            yield SettingsProblem(f"manager.{key}", "empty", "name the manager's address")
    if not settings.manager.hostname:
        yield SettingsProblem("manager.hostname", "empty", "name the manager")
    if settings.file_sync.enabled and not is_host(settings.manager.private_ip):
        yield SettingsProblem(
            "manager.private_ip",
            f"{settings.manager.private_ip!r} is neither an IP address nor a host name",
            "use an address that the other managers can reach",
        )


def _hosts_problems(where: str, hosts: tuple[NodeAddress, ...]) -> Iterator[SettingsProblem]:
    if not hosts:
        yield SettingsProblem(where, "empty", "list at least one node")
    for key in ("name", "address"):
        values = [getattr(host, key) for host in hosts]
        for value in sorted({value for value in values if values.count(value) > 1}):
            yield SettingsProblem(where, f"the {key} {value!r} occurs twice", "list a node once")


def _database_problems(settings: Settings) -> Iterator[SettingsProblem]:
    database = settings.database
    if database.sslmode not in _SSL_MODES:
        yield SettingsProblem(
            "database.sslmode", f"{database.sslmode!r} is unknown", f"use one of {_SSL_MODES}"
        )
    if database.sslmode.startswith("verify") and database.ca_path is None:
        yield SettingsProblem("database.ca_path", "missing", f"{database.sslmode} needs a CA")
    if (database.cert_path is None) != (database.key_path is None):
        yield SettingsProblem(
            "database.cert_path", "certificate and key come together", "give both or neither"
        )


def _number_problems(settings: Settings) -> Iterator[SettingsProblem]:
    lowest = {
        "database.port": (settings.database.port, 1),
        "rabbitmq.port": (settings.rabbitmq.port, 1),
        "rabbitmq.management_port": (settings.rabbitmq.management_port, 1),
        "rest.port": (settings.rest.port, 1),
        "manager.internal_rest_port": (settings.manager.internal_rest_port, 1),
        "files.max_upload_mb": (settings.files.max_upload_mb, 1),
        "files.max_unpacked_mb": (settings.files.max_unpacked_mb, 1),
        "files.max_archive_entries": (settings.files.max_archive_entries, 1),
        "rest.workers": (settings.rest.workers, 1),
        "rest.threads": (settings.rest.threads, 1),
        "rest.account_lock_period": (settings.rest.account_lock_period, -1),
        "rest.failed_logins_before_account_lock": (
            settings.rest.failed_logins_before_account_lock,
            1,
        ),
        "file_sync.api_port": (settings.file_sync.api_port, 1),
        "file_sync.port": (settings.file_sync.port, 1),
        "file_sync.interval_s": (settings.file_sync.interval_s, 1),
        "worker.workflows": (settings.worker.workflows, 1),
        "worker.operations": (settings.worker.operations, 1),
        "worker.stop_timeout_s": (settings.worker.stop_timeout_s, 0),
        "worker.task_retries": (settings.worker.task_retries, -1),
        "worker.task_retry_interval": (settings.worker.task_retry_interval, 0),
        "rest.default_page_size": (settings.rest.default_page_size, 1),
        "agent.min_workers": (settings.agent.min_workers, 1),
        "agent.max_workers": (settings.agent.max_workers, 1),
        "agent.heartbeat": (settings.agent.heartbeat, 1),
    }
    for where, (value, minimum) in lowest.items():
        maximum = 65535 if where.endswith("port") else value
        if not minimum <= value <= maximum:
            yield SettingsProblem(where, f"{value} is out of range", f"use {minimum} or more")


def _level_problems(settings: Settings) -> Iterator[SettingsProblem]:
    for section in ("rest", "worker", "agent"):
        level = getattr(settings, section).log_level
        if level not in _LEVELS:
            what, remedy = f"{level!r} is unknown", f"use one of {', '.join(_LEVELS)}"
            yield SettingsProblem(f"{section}.log_level", what, remedy)
