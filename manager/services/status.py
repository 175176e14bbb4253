"""The state of this manager's own services: systemd units, the broker, the database."""

import logging
import ssl
import subprocess
from collections.abc import Mapping
from typing import Any

import pika
from pika.exceptions import AMQPError
from sqlalchemy import text

from manager.errors import Unavailable
from manager.services.cache import Cached
from manager.settings import SYNC_UNIT, RabbitmqSettings, Settings
from manager.storage.database import Database

logger = logging.getLogger(__name__)

_UNITS_FRESH_S = 2
_REMOTE_FRESH_S = 5
_STALE_S = 10  # with the 4 s to find out, a broker's end is told within 15 s
_TIMEOUT_S = 2
_BROKER_TIMEOUT_S = 1.5  # two dead brokers and a third that answers stay below a reporter's 4 s
_PROPERTIES = ("Id", "Description", "ActiveState")


class ManagerStatus:
    """Observe this manager's services; observations are shared for a few seconds."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._units = Cached(
            lambda: unit_services(_expected(settings)), fresh_s=_UNITS_FRESH_S, stale_s=_STALE_S
        )
        self._broker = Cached(
            BrokerCheck(settings.rabbitmq).service, fresh_s=_REMOTE_FRESH_S, stale_s=_STALE_S
        )
        self._database = Cached(
            lambda: database_service(database), fresh_s=_UNITS_FRESH_S, stale_s=_STALE_S
        )

    def status(self) -> dict[str, Any]:
        """Return the body of `GET /status`."""
        services = {
            **self._units.value(),
            "RabbitMQ": self._broker.value(),
            "PostgreSQL": self._database.value(),
        }
        healthy = all(service["status"] == "Active" for service in services.values())
        return {"status": "OK" if healthy else "Fail", "services": services}


def _expected(settings: Settings) -> dict[str, str]:
    """Return the services that this manager should run."""
    if settings.file_sync.enabled:
        return settings.services
    return {name: unit for name, unit in settings.services.items() if unit != SYNC_UNIT}


def unit_services(units: Mapping[str, str]) -> dict[str, Any]:
    """Return the entry of each service, by one question to systemd."""
    command = ["systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--", *units.values()]
    try:
        shown = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        ).stdout
    except subprocess.CalledProcessError as error:
        # Without the system bus (Debian's package dbus) only root may ask.
        logger.warning("systemd does not answer: %s", error.stderr.strip())
        shown = ""
    except (OSError, subprocess.TimeoutExpired) as error:
        logger.warning("systemd does not answer: %s", error)
        shown = ""
    states = {state.get("Id", ""): state for state in map(_parse_properties, shown.split("\n\n"))}
    return {name: _unit_service(name, unit, states.get(unit, {})) for name, unit in units.items()}


def database_service(database: Database) -> dict[str, Any]:
    """Return PostgreSQL's entry: whether a primary answers."""
    try:
        with database.session() as session:
            session.execute(text("SELECT 1"))
    except Unavailable as error:
        logger.warning("%s", error)
        return {"is_remote": True, "status": "Inactive"}
    return {"is_remote": True, "status": "Active"}


class BrokerCheck:
    """Log in to RabbitMQ at the first node that takes us, beginning with the last that did."""

    def __init__(self, settings: RabbitmqSettings) -> None:
        self._settings = settings
        self._hosts = [host.address for host in settings.hosts]
        self._failure = ""

    def service(self) -> dict[str, Any]:
        """Return RabbitMQ's entry."""
        reasons = []
        for host in list(self._hosts):
            try:
                pika.BlockingConnection(self._parameters(host)).close()
            except (AMQPError, OSError) as error:
                reasons.append(f"{host}: {error!r}")
                continue
            self._hosts.sort(key=lambda known: known != host)
            self._failure = ""
            return _broker_service("Active", "OK")
        self._log_once("; ".join(reasons))
        return _broker_service("Inactive", "; ".join(reasons))

    def _log_once(self, failure: str) -> None:
        if failure != self._failure:
            logger.warning("no broker takes connections: %s", failure)
        self._failure = failure

    def _parameters(self, host: str) -> pika.ConnectionParameters:
        context = ssl.create_default_context(cafile=str(self._settings.ca_path))
        return pika.ConnectionParameters(
            host=host,
            port=self._settings.port,
            virtual_host=self._settings.vhost,
            credentials=pika.PlainCredentials(self._settings.username, self._settings.password),
            ssl_options=pika.SSLOptions(context, server_hostname=host),
            socket_timeout=_BROKER_TIMEOUT_S,
            stack_timeout=_BROKER_TIMEOUT_S,
            blocked_connection_timeout=_BROKER_TIMEOUT_S,
        )


def _broker_service(status: str, check: str) -> dict[str, Any]:
    return {"is_remote": True, "status": status, "extra_info": {"connection_check": check}}


def _parse_properties(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _unit_service(name: str, unit: str, state: Mapping[str, str]) -> dict[str, Any]:
    active = state.get("ActiveState") == "active"
    instance = {
        "Id": unit,
        "Description": state.get("Description", ""),
        "state": "running" if active else "stopped",
    }
    return {
        "status": "Active" if active else "Inactive",
        "is_remote": False,
        "extra_info": {"systemd": {"display_name": name, "unit_id": unit, "instances": [instance]}},
    }
