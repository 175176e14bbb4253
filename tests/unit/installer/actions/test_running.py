"""A cluster that runs is known by its secrets and certificates, wherever its bundle is."""

import pytest
import yaml

from installer.actions.cluster import open_cluster
from installer.actions.running import demand_running, open_running
from installer.errors import ConfigError, Refused
from installer.expand.check import load_cluster
from tests.support.cluster import ROOT


@pytest.fixture
def inventory(tmp_path):
    """An inventory on a machine that has never installed it."""
    document = yaml.safe_load((ROOT / "inventories" / "three-nodes.yaml").read_text())
    path = tmp_path / "inventory.yaml"
    path.write_text(yaml.safe_dump(document | {"bundle": str(tmp_path / "bundle")}))
    return load_cluster(path)


@pytest.fixture
def installed(inventory, tmp_path):
    """The same on the machine that installed it, whose bundle is gone since."""
    without = yaml.safe_load(inventory.path.read_text())
    del without["bundle"]
    beside = tmp_path / "without-bundle.yaml"
    beside.write_text(yaml.safe_dump(without))
    open_cluster(load_cluster(beside), save=True)
    return inventory


@pytest.mark.parametrize("lacking", ["certificates_path", "secrets_path"])
def test_elsewhere_a_cluster_is_refused(installed, lacking):
    path = getattr(installed, lacking)
    path.rename(path.with_suffix(".elsewhere"))

    with pytest.raises(Refused, match="secrets or certificates"):
        open_running(installed)


def test_a_bundle_that_is_gone_is_told_as_that(installed):
    """It is not the secrets that are missing then."""
    with pytest.raises(ConfigError, match=r"bundle/manifest\.json"):
        open_running(installed)


def test_what_installs_nothing_needs_no_bundle(installed):
    demand_running(installed)
