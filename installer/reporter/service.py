"""The loop of the status reporter: collect, send to a manager, learn who the managers are."""

import logging
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import requests

from installer.reporter.collect import Report, collect_report
from installer.reporter.settings import NodeType, ReporterSettings

logger = logging.getLogger(__name__)


class Reporter:
    """Sends this node's reports; keeps to the manager that answered last."""

    def __init__(self, settings: ReporterSettings) -> None:
        self._settings = settings
        self._session = requests.Session()
        self._session.verify = settings.ca_path
        self._session.headers["Tenant"] = "default_tenant"

    def report_once(self) -> bool:
        """Send a report on each service to the first manager that takes it; False if none did."""
        kinds = self._settings.tokens
        return all([self._report(kind) for kind in kinds])

    def _report(self, kind: NodeType) -> bool:
        body = self._body(collect_report(self._settings, kind))
        for address in self._settings.managers_ips:
            if self._send(address, kind, body):
                self._refresh_managers(address, kind)
                return True
        return False

    def _body(self, report: Report) -> Report:
        settings = self._settings
        return {
            "reporting_freq": settings.reporting_freq,
            "timestamp": datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000"),
            "report": report,
            "node": {"name": settings.node_name, "private_ip": settings.private_ip},
        }

    def _login(self, kind: NodeType) -> dict[str, str]:
        token = self._settings.tokens[kind].reveal()
        return {"API-Authentication-Token": token}  # the header of 5.0.5

    def _send(self, address: str, kind: NodeType, body: Report) -> bool:
        settings = self._settings
        url = f"{_base(address)}/cluster-status/{kind}/{settings.node_id}"
        login = self._login(kind)
        try:
            reply = self._session.put(
                url, json=body, headers=login, timeout=settings.request_timeout
            )
            reply.raise_for_status()
        except requests.RequestException as error:
            logger.warning("manager %s did not take the report: %s", address, error)
            return False
        logger.debug("manager %s took the report", address)
        return True

    def _refresh_managers(self, address: str, kind: NodeType) -> None:
        """Keep the list of managers as they know it, the one that just answered first."""
        settings = self._settings
        url, login = f"{_base(address)}/managers", self._login(kind)
        try:
            reply = self._session.get(url, headers=login, timeout=settings.request_timeout)
            reply.raise_for_status()
        except requests.RequestException as error:
            logger.warning("manager %s did not list the managers: %s", address, error)
            return
        known = [item["private_ip"] for item in reply.json()["items"]]
        order = tuple(dict.fromkeys([address, *known])) if address in known else tuple(known)
        if order and set(order) != set(settings.managers_ips):
            logger.info("the managers are now %s", ", ".join(order))
        self._settings = replace(settings, managers_ips=order or settings.managers_ips)


def run_reporter(settings: ReporterSettings) -> None:
    """Report at the settings' frequency until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    reporter = Reporter(settings)
    waits = pauses(settings.reporting_freq)
    while not stop.is_set():
        try:
            reporter.report_once()
        except (subprocess.SubprocessError, OSError):  # systemd was too busy to answer
            logger.exception("could not collect this node's state")
        stop.wait(next(waits))


def pauses(period_s: float) -> Iterator[float]:
    """Yield the seconds to wait after each report: first a part of a period, by chance.

    The nodes of a cluster start all at once, after a loss of power too: not so their reports.
    """
    due = time.monotonic() - random.uniform(0, period_s)  # noqa: S311 - no secret
    while True:
        due = max(due + period_s, time.monotonic())
        yield due - time.monotonic()


def _base(address: str) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"https://{host}:53333/api/v3.1"
