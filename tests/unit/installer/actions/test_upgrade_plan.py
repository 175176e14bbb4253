"""What an upgrade changes where, and which upgrades are refused."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from installer.actions.rollout import NODE, TOOLKIT
from installer.actions.upgrade_plan import (
    Installed,
    UpgradePlan,
    _read,
    _script,
    plan_upgrade,
    stages_in_turn,
)
from installer.actions.upgrade_rules import upgrade_problems
from installer.bundle.model import Bundle, BundledFile
from installer.bundle.use import environment_id
from installer.engine.observation import Observation
from installer.engine.outcome import Outcome, Result
from installer.state import Stage
from tests.support.bundles import lock_of, locked_package

ENVIRONMENTS = ("installer", "manager")


def package(name, version, *roles):
    found = locked_package(name, *roles)
    return replace(found, version=version, control={**found.control, "Version": version})


def bundle_of(*packages, version="2.0", name="new") -> Bundle:
    paths = [f"wheels/cfy_manager-{version}-py3-none-any.whl"]
    for environment in ENVIRONMENTS:
        paths += [f"environments/{environment}.tar", f"environments/{environment}-project.tar"]
    files = tuple(BundledFile(path=p, sha256=f"{name} {p}", size=1, roles=()) for p in paths)
    return Bundle(path=Path(name), lock=lock_of(packages), files=files)


class FakeEngine:
    """Nodes that answer with a listing of what they have, and with nothing else."""

    def __init__(self, listings):
        self.listings = listings

    def on_each(self, nodes, ask):
        return {node: Outcome(value=ask(self.session(node)), seconds=0) for node in nodes}

    def session(self, node):
        listing = self.listings[node]

        class Session:
            name = node

            def run(self, script):
                return Result(code=0, stdout=listing, stderr="")

            def observe(self, stages):
                return Observation(stages=tuple(stages))

        return Session()


STAGES = {
    "node-1": {
        NODE: (Stage(name="node/base"),),
        TOOLKIT: (Stage(name="toolkit/environments"),),
        "manager": (Stage(name="manager/packages"),),
        "reporter": (Stage(name="reporter/reporter"),),
    }
}


def plan(listing, bundle, **options):
    return plan_upgrade(FakeEngine({"node-1": listing}), bundle, STAGES, **options)


@pytest.mark.parametrize(
    ("installed", "moves"),
    [
        ("1.0-1", [("nginx", "1.0-1", "1.0-2")]),
        ("1.0-2", []),
        ("1.0-3", []),  # a security update of the distribution, which stays
    ],
    ids=["older", "equal", "newer"],
)
def test_packages_only_go_forward(installed, moves):
    found = plan(f"nginx {installed} installed\n", bundle_of(package("nginx", "1.0-2", "manager")))

    turn = found.turn("manager", "node-1")

    assert [(m.name, m.found, m.wanted) for m in turn.packages] == moves


def test_a_package_that_the_node_lacks_is_no_upgrade():
    found = plan("nginx 1.0-1 config-files\n", bundle_of(package("nginx", "2.0-1", "manager")))

    assert found.turn("manager", "node-1").packages == ()


def test_packages_of_another_role_wait_for_its_turn():
    found = plan("patroni 4.0 installed\n", bundle_of(package("patroni", "4.1", "database")))

    assert found.turn("manager", "node-1").packages == ()


def test_the_way_back_takes_what_the_newer_bundle_brought_and_nothing_else():
    old = bundle_of(package("nginx", "1.0-1", "manager"), package("tar", "1.0-1", "manager"))
    new = bundle_of(package("nginx", "2.0-1", "manager"), package("tar", "1.0-1", "manager"))
    listing = "nginx 2.0-1 installed\ntar 2.0-1 installed\n"  # tar by the node's own update

    turn = plan(listing, old, back_from=new).turn("manager", "node-1")

    assert turn.versions == {"nginx": "1.0-1"}


def test_an_environment_moves_when_its_content_differs():
    bundle = bundle_of()
    same = environment_id("installer", bundle.digest_of)
    listing = f"installer {same} environment 2.0\nmanager abcdefghij environment 1.0\n"

    turn = plan(listing, bundle).turn("manager", "node-1")

    assert [(m.name, m.found) for m in turn.environments] == [("manager", "1.0 abcdefg")]
    assert turn.stops


def test_a_node_that_has_everything_has_no_turn():
    bundle = bundle_of(package("nginx", "1.0-1", "manager"))
    ids = (f"{e} {environment_id(e, bundle.digest_of)} environment 2.0" for e in ENVIRONMENTS)

    found = plan("\n".join(["nginx 1.0-1 installed", *ids]), bundle)

    assert not found.is_needed


def test_a_managers_turn_brings_environments_and_reporter_along():
    names = [stage.name for stage in stages_in_turn("manager", STAGES["node-1"])]

    assert names == ["node/base", "toolkit/environments", "manager/packages", "reporter/reporter"]


def problems(installed, *packages, environments=None, version="2.0"):
    node = Installed(packages=installed, environments=environments or {})
    found = UpgradePlan(bundle=bundle_of(*packages, version=version), installed={"node-1": node})
    return [(problem.code, problem.what) for problem in upgrade_problems(found)]


def test_a_series_of_rabbitmq_must_not_be_left_out():
    (found,) = problems({"rabbitmq-server": "3.11.5-1"}, package("rabbitmq-server", "3.13.7-1"))

    assert found[0] == "upgrade-jump"
    assert "at once" in found[1]


@pytest.mark.parametrize(
    ("name", "found", "wanted"),
    [("rabbitmq-server", "4.1.0-1", "4.0.5-1"), ("etcd-server", "3.5.16-1", "3.4.30-1")],
)
def test_data_does_not_go_back_to_an_older_series(name, found, wanted):
    (told,) = problems({name: found}, package(name, wanted))

    assert told[0] == "upgrade-jump"
    assert "with its data in place" in told[1]


def test_another_major_version_of_postgresql_is_refused():
    (found,) = problems({"postgresql-15": "15.8-1"}, package("postgresql-17", "17.2-1"))

    assert found == ("upgrade-jump", "it runs PostgreSQL 15, the bundle brings 17")


def test_an_older_release_of_our_own_is_refused():
    (found,) = problems({}, environments={"manager": ("abc", "2.1")}, version="2.0")

    assert found[0] == "upgrade-backwards"


def test_components_that_do_not_work_together_are_refused():
    (found,) = problems({}, package("etcd-server", "3.6.9-1"), package("patroni", "4.0.7-1"))

    assert found[0] == "version-mismatch"


def flag_problems(found, *disabled):
    """Return the problems of three brokers of these versions, one of which names its flags."""
    nodes = {
        f"mq-{n}": Installed(packages={"rabbitmq-server": version}, environments={})
        for n, version in enumerate(found, start=1)
    }
    nodes["mq-1"] = replace(nodes["mq-1"], disabled_flags=disabled)
    bundle = bundle_of(package("rabbitmq-server", "4.1.2-1"))
    return [*upgrade_problems(UpgradePlan(bundle=bundle, installed=nodes))]


def test_brokers_with_disabled_flags_do_not_go_to_another_series():
    """A broker of the later series would not start, and the cluster would be short of one."""
    (found,) = flag_problems(["4.0.5-6"] * 3, "tracking_records_in_ets", "khepri_db")

    assert (found.code, found.where) == ("feature-flags-disabled", "mq-1")
    assert "khepri_db, tracking_records_in_ets" in found.what
    assert "rabbitmqctl enable_feature_flag all" in found.remedy


@pytest.mark.parametrize(
    ("found", "disabled"),
    [
        (["4.0.5-6"] * 3, []),
        (["4.1.0-1"] * 3, ["new_in_4_1"]),  # one series: its own start demands nothing new
        (["4.1.2-1", "4.0.5-6", "4.0.5-6"], ["new_in_4_1"]),  # a killed run is gone on with
    ],
    ids=["all-enabled", "same-series", "under-way"],
)
def test_flags_hold_nobody_up_where_no_start_demands_them(found, disabled):
    assert flag_problems(found, *disabled) == []


FLAGS = "old_one\tenabled\tstable\nheld_back\tdisabled\tstable\nnew\tdisabled\texperimental\n"


@pytest.mark.parametrize(
    ("installed", "told"),
    [("4.0.5-6", ("held_back",)), ("4.1.0-1", ()), ("", ())],
    ids=["another-series", "same-series", "no-broker"],
)
def test_a_broker_is_asked_for_its_flags_where_its_series_changes(tmp_path, installed, told):
    """The question takes seconds on each broker."""
    status = f"rabbitmq-server {installed} installed" if installed else ""
    version = f'case "$*" in *db:Status*) echo "{status}";; *) printf %s "{installed}";; esac'
    programs = {
        "dpkg-query": version,
        "rabbitmqctl": f"printf '{FLAGS}'",
    }
    for name, script in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    asked = _script(bundle_of(package("rabbitmq-server", "4.1.2-1")))

    path = f"{tmp_path}:/usr/bin:/bin"
    said = subprocess.run(
        ("sh", "-c", asked), env={"PATH": path}, capture_output=True, text=True, check=True
    )

    assert _read(said.stdout).disabled_flags == told


def test_versions_of_one_series_are_no_problem():
    assert problems({"rabbitmq-server": "4.0.5-1"}, package("rabbitmq-server", "4.0.9-1")) == []
