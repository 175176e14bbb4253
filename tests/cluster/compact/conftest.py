"""The cluster of this folder's tests: it is gone when they have ended."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.compact import compact_cluster


@pytest.fixture(scope="package")
def compact(
    machine: None, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Three compact nodes behind a load balancer; the upgrade comes last and leaves it later."""
    with compact_cluster(bundle, tmp_path_factory.mktemp("compact")) as made:
        yield made
