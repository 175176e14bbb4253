"""The journeys on a cluster in the sandbox, through its load balancer."""

import pytest

from tests.cluster.conftest import Rollout
from tests.journeys.administering import *  # noqa: F403 - its tests and their fixtures
from tests.journeys.installing import *  # noqa: F403
from tests.journeys.modelling import *  # noqa: F403
from tests.journeys.operator import Operator
from tests.support.cfy_client import Cfy, Login
from tests.support.cluster import TOOL

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def operator(rollout: Rollout, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """Return the administrator at a client beside the hosts."""
    cluster = rollout.cluster
    login = Login(
        address=cluster.document["load_balancer"]["address"],
        port=443,
        ca=cluster.ca,
        username="admin",
        password=cluster.secrets["admin_password"],
    )
    beside = (*TOOL, "sandbox", "exec", cluster.name, "--")
    return Operator(Cfy(tmp_path_factory.mktemp("cfy"), login, beside).log_in())
