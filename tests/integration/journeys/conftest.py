"""The journeys on a manager on loopback; CFY_TEST_RUNTIME names the folder of one that runs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.journeys.operator import Operator
from tests.support.cfy_client import Cfy, Login
from tests.support.runtime import ADMIN, ADMIN_PASSWORD, runtime_on_loopback
from tests.support.web_server import CLIENT_PORT


@pytest.fixture(scope="session")
def operator() -> Iterator[Operator]:
    """Return the administrator at the client."""
    if folder := os.environ.get("CFY_TEST_RUNTIME"):
        yield Operator(_client_of(Path(folder)))
        return
    with runtime_on_loopback() as runtime:
        yield Operator(runtime.cfy())


def _client_of(folder: Path) -> Cfy:
    """Return the client of a manager that `python -m tests.support.runtime` has started."""
    manager = yaml.safe_load((folder / "manager.yaml").read_text())["manager"]
    ca = Path(manager["ca_path"])
    login = Login(manager["private_ip"], CLIENT_PORT, ca, ADMIN, ADMIN_PASSWORD)
    return Cfy(folder / "cfy-of-tests", login).log_in()
