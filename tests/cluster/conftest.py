"""Fixtures of the cluster tests: real hosts in a sandbox."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from tests.support.cluster import ROOT, Cluster, tool
from tests.support.sandbox import Sandbox, sandbox_of, skip_where_impossible, take_down_orphans
from tests.support.watch import CommandLines

SHARED = frozenset(  # the files whose tests use the ten nodes of `rollout`
    {
        "test_foresight",
        "test_hardening",
        "test_journeys",
        "test_links",
        "test_load_balancer",
        "test_losses",
        "test_plan",
        "test_queue",
        "test_refusals",
        "test_restart",
        "test_rollout",
        "test_secrets",
        "test_status",
        "test_tls",
        "test_workflow_losses",
    }
)

# How long each story takes beside another on two cores, in minutes, in the order of their begin.
# CI has no time for all: `CFY_TESTS_TURN` tells with which of those below the first it begins.
MINUTES = {
    "shared": 34,
    "test_network_matrix": 2,
    "test_virtual_address": 2,
    "compact": 20,
    "certificates": 20,
    "members": 27,
    "test_backup": 17,
    "test_postgresql_major": 17,
    "test_interruption": 8,
    "test_engine": 1,
    "verbs": 19,
    "test_local_install": 7,
    "test_explain": 5,
    "test_topologies": 4,
    "test_whole_life": 5,
    "test_external_services": 4,
    "test_bundle": 4,
    "test_sandbox": 4,
    "test_preflight": 2,
}

_HERE = Path(__file__).parent.name
_begun: set[str] = set()


def _story(nodeid: str) -> str:
    """Return what tests have in common that share a cluster: it is made once for all of them."""
    path = Path(nodeid.partition("::")[0])
    if path.stem in SHARED:
        return "shared"
    return path.stem if path.parent.name == _HERE else path.parent.name


class Files(LoadFileScheduling):  # type: ignore[misc] # its types are not told
    """A file's tests run on one worker, and those of the shared cluster on the same one.

    The files of a folder below share a cluster too, which is gone when they have ended.
    Two workers nearly halve the time: hosts wait for each other more than they compute.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _story(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Let workers share the files as above, in the order of MINUTES."""
    config.option.loadscopereorder = False
    return Files(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin no story that CI has no time for, and say so; by hand there is no end.

    What has failed is tried again whatever the time: a failure never ends as a skip.
    """
    end, story = os.environ.get("CFY_TESTS_END"), _story(item.nodeid)
    if end and story not in _begun and not item.config.getoption("lf"):
        lacking = time.time() + 60 * MINUTES[story] - float(end)
        if lacking > 0:
            pytest.skip(f"CI's time is used up: {story} would end {lacking:.0f} s after it")
    _begun.add(story)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the stories; refuse what is not named above.

    A file that uses the shared cluster without being named would roll out another.
    """
    first, *others = MINUTES
    turn = int(os.environ.get("CFY_TESTS_TURN", "0")) % len(others)
    order = [first, *others[turn:], *others[:turn]]
    own = {item for item in items if item.path.is_relative_to(Path(__file__).parent)}
    if unknown := {_story(item.nodeid) for item in own} - set(order):
        raise pytest.UsageError(f"name in MINUTES of {__name__}: {', '.join(sorted(unknown))}")
    items.sort(key=lambda item: order.index(_story(item.nodeid)) if item in own else -1)
    using = {item.path.stem for item in items if "rollout" in getattr(item, "fixturenames", ())}
    if unnamed := using - SHARED:
        raise pytest.UsageError(f"name in SHARED of {__name__}: {', '.join(sorted(unnamed))}")


@pytest.fixture(scope="session")
def machine() -> None:
    """Skip where no sandbox is possible; start from a machine without those of killed runs."""
    skip_where_impossible()
    take_down_orphans()


@pytest.fixture(scope="session")
def three_hosts(machine: None) -> Iterator[Sandbox]:
    """Three bare hosts, shared by the tests that leave them as they were."""
    with sandbox_of("bare", 3) as made:
        yield made


@pytest.fixture(scope="session")
def bundle(machine: None) -> Path:
    """The offline bundle of this checkout for Debian 13, built now or found in the cache."""
    return Path(tool("bundle", "build", "--release", "trixie").splitlines()[-1])


@dataclass(frozen=True)
class Rollout:
    """The shared cluster, and what was seen while it was rolled out."""

    cluster: Cluster
    events: list[dict[str, Any]] = field(default_factory=list)
    command_lines: set[str] = field(default_factory=set)


@pytest.fixture(scope="session")
def rollout(machine: None, bundle: Path) -> Iterator[Rollout]:
    """Ten nodes from one inventory. CFY_TEST_CLUSTER names a sandbox that has them already."""
    source = ROOT / "inventories" / "ten-nodes.yaml"
    if name := os.environ.get("CFY_TEST_CLUSTER"):
        found = tool("sandbox", "inventory", name, "-i", source, "--bundle", bundle)
        yield Rollout(Cluster(name, Path(found.strip())))
        return
    with sandbox_of("ten", source) as made:
        found = tool("sandbox", "inventory", made.name, "-i", source, "--bundle", bundle)
        cluster = Cluster(made.name, Path(found.strip()))
        with CommandLines() as seen:
            events = cluster.install()
        yield Rollout(cluster, events, seen.found)


@pytest.fixture(scope="session")
def cluster(rollout: Rollout) -> Cluster:
    """The shared cluster of ten nodes, the client logged in to it; a test leaves it whole."""
    rollout.cluster.log_in()
    return rollout.cluster
