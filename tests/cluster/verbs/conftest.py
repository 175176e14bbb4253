"""Two managers that share one database and one broker; the tests of this folder use its verbs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.cluster import Cluster, tool
from tests.support.sandbox import sandbox_of

INVENTORY = {
    "cluster": {"name": "pair"},
    "nodes": [
        {
            "name": "manager-1",
            "address": "10.77.0.11",
            "roles": ["database", "queue", "manager"],
        },
        {"name": "manager-2", "address": "10.77.0.12", "roles": ["manager"]},
    ],
    "waive": ["single-database", "single-queue", "queue-beside-database"],
    "settings": {"postgresql_server": {"config": {"shared_buffers": "256MB"}}},
}


@pytest.fixture(scope="package")
def pair(
    machine: None, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Two managers, freshly installed. CFY_TEST_PAIR names a sandbox that has them already."""
    source = tmp_path_factory.mktemp("pair") / "inventory.yaml"
    source.write_text(yaml.safe_dump(INVENTORY))
    if name := os.environ.get("CFY_TEST_PAIR"):
        yield _installed(name, source, bundle)
        return
    with sandbox_of("pair", source) as made:
        yield _installed(made.name, source, bundle)


def _installed(name: str, source: Path, bundle: Path) -> Cluster:
    found = tool("sandbox", "inventory", name, "-i", source, "--bundle", bundle)
    cluster = Cluster(name, Path(found.strip()))
    cluster.install()
    return cluster
