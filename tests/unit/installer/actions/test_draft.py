"""A plan of a cluster that does not exist yet, and one of a cluster that does."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from installer.actions.adopt import adopt
from installer.actions.cluster import open_cluster
from installer.actions.configuration import configuration_words, generated_names
from installer.actions.draft import draft
from installer.actions.on_drift import Decisions, decide
from installer.actions.options import RunOptions
from installer.actions.plan import Promise
from installer.actions.rollout import Survey
from installer.engine.changes import FileChange
from installer.engine.drift import Drift, Drifted
from installer.engine.observation import NodeFacts, Observation, PathFact, UserFact, digest
from installer.engine.outcome import Result
from installer.errors import ConfigError, Refused
from installer.expand.check import load_cluster
from installer.plan.agreement import change_problems, configuration_problems
from installer.plan.changes import Kind
from installer.plan.document import SavedPlan, now_utc
from installer.plan.fingerprint import Fingerprint
from installer.plan.mask import GENERATED, Mask

INVENTORIES = Path(__file__).parents[4] / "inventories"
MASK = Mask(b"key")
ALL = RunOptions()
PATRONI, UNIT = "/etc/patroni/config.yml", "/etc/systemd/system/patroni.service"


@pytest.fixture
def inventory(tmp_path):
    """All in one, with nothing beside it yet."""
    path = tmp_path / "inventories" / "all-in-one.yaml"
    path.parent.mkdir()
    shutil.copy(INVENTORIES / "all-in-one.yaml", path)
    return load_cluster(path)


def surveyed(cluster, **facts):
    found = Observation(facts=NodeFacts(memory_bytes=4 << 30), **facts)
    names = [node.name for node in cluster.inventory.nodes]
    return Survey(engine=None, stages={}, observations=dict.fromkeys(names, found)).beside(
        cluster.jobs()
    )


def drafted(inventory, *, save=False, options=ALL):
    cluster = open_cluster(inventory, save=save)
    return draft(cluster, surveyed(cluster), Decisions(), options, MASK)


def new_of(found, path):
    (word,) = {change.new for change in found.changes if change.name == path}
    return word


def test_what_holds_a_secret_or_certificate_of_the_first_run_has_no_digest_yet(inventory):
    found = drafted(inventory)

    keys = [c for c in found.changes if c.kind is Kind.FILE and c.name.endswith((".key", ".crt"))]
    assert new_of(found, PATRONI) == GENERATED
    assert {change.new for change in keys} == {GENERATED}
    assert new_of(found, UNIT) != GENERATED


def test_two_plans_of_a_cluster_that_does_not_exist_agree(inventory):
    """Their provisional secrets differ: else no such plan could ever be applied."""
    first, second = drafted(inventory), drafted(inventory)

    assert list(change_problems(first.changes, second.changes)) == []
    words = [configuration_words(inventory, MASK) for _ in range(2)]
    assert list(configuration_problems(*words)) == []


def test_a_plan_makes_no_secrets_and_no_certificates(inventory):
    drafted(inventory)
    configuration_words(inventory, MASK)

    files = [path for path in inventory.path.parents[1].rglob("*") if path.is_file()]
    assert files == [inventory.path]


def test_secrets_that_were_made_since_the_plan_are_told_by_name(inventory):
    before = configuration_words(inventory, MASK)
    open_cluster(inventory, save=True)

    told = {p.where for p in configuration_problems(before, configuration_words(inventory, MASK))}

    assert "secret admin_password" in told
    assert "certificate ca.crt" in told
    assert set(generated_names(before)) == told


def test_of_a_cluster_that_exists_everything_has_a_digest(inventory):
    found = drafted(inventory, save=True)

    assert GENERATED not in {change.new for change in found.changes}
    assert generated_names(configuration_words(inventory, MASK)) == ()
    assert list(change_problems(found.changes, drafted(inventory).changes)) == []


def test_no_word_of_a_configuration_is_a_secret_or_its_digest(inventory):
    cluster = open_cluster(inventory, save=True)
    secrets = yaml.safe_load(inventory.secrets_path.read_text())

    text = str(configuration_words(inventory, MASK)) + str(drafted(inventory).changes)

    assert not [name for name, value in secrets.items() if value in text]
    assert not [name for name, value in secrets.items() if digest(value.encode()) in text]
    assert cluster.inventory.name in str(cluster.inventory)


def test_a_chosen_phase_is_planned_alone(inventory):
    found = drafted(inventory, options=RunOptions(only=("database/patroni",)))

    assert {change.phase for change in found.changes} == {"database/patroni"}


def promise(found):
    now = now_utc()
    plan = SavedPlan(
        cluster="c",
        inventory="i",
        version="1",
        created=now,
        expires=now,
        changes=found.changes,
        fingerprint=Fingerprint(nodes=found.nodes),
    )
    return Promise(plan=plan, mask=MASK)


def test_a_promise_is_kept_or_the_run_is_refused(inventory):
    cluster = open_cluster(inventory, save=False)
    seen = surveyed(cluster)
    held = promise(draft(cluster, seen, Decisions(), RunOptions(), MASK))
    held.demand(cluster, seen, Decisions())

    with pytest.raises(Refused) as refused:
        held.demand(cluster, surveyed(cluster, packages={"patroni": "4.0"}), Decisions())

    (problem,) = refused.value.problems
    assert (problem.where, problem.code) == ("manager-1: package patroni", "plan-facts-changed")


@dataclass
class Shelf:
    """An engine whose node has one file."""

    text: str = ""
    name: str = "manager-1"
    asked: list[str] = field(default_factory=list)

    def session(self, node):
        return self

    def run(self, script):
        self.asked.append(script)
        return Result(0, self.text, "")


def by_hand(inventory, old, new):
    """Return cluster, survey and decisions after a person edited Patroni's configuration."""
    cluster = open_cluster(inventory, save=True)
    seen = surveyed(cluster, users={"postgres": UserFact("postgres", "/")})
    stages = seen.stages["manager-1"]["database"]
    (file,) = [f for stage in stages for f in stage.state.files if f.path == PATRONI]
    text = file.content.decode()
    assert old in text
    found = Drifted(
        kind="file",
        name=PATRONI,
        drift=Drift.CHANGED,
        written="w",
        found="f",
        wanted="w",
        change=FileChange(file, PathFact("file", 0o400, "postgres", "postgres")),
    )
    shelf = Shelf(text.replace(old, new))
    survey = Survey(engine=shelf, stages=seen.stages, observations=seen.observations)
    return cluster, survey, found


def test_a_parameter_changed_by_hand_becomes_a_setting_beside_the_comments(inventory):
    cluster, seen, found = by_hand(inventory, 'shared_buffers: "256MB"', "shared_buffers: 512MB")
    before = inventory.path.read_text()

    after = adopt(cluster, seen, {"manager-1": (found,)})

    assert after.settings["postgresql_server"]["config"]["shared_buffers"] == "512MB"
    assert inventory.path.read_text() == before.replace("256MB", "512MB")
    (backup,) = (inventory.path.parent / "all-in-one.runs").glob("*-before-*.yaml")
    assert backup.read_text() == before


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("checkpoint: fast", "checkpoint: spread", "no setting describes"),
        ('ssl: "on"', 'ssl: "off"', "settings cannot say this of postgresql.parameters.ssl "),
    ],
)
def test_what_settings_cannot_say_is_refused_and_the_inventory_stays(inventory, old, new, reason):
    cluster, seen, found = by_hand(inventory, old, new)
    before = inventory.path.read_text()

    with pytest.raises(Refused, match=reason):
        adopt(cluster, seen, {"manager-1": (found,)})

    assert inventory.path.read_text() == before


def test_what_breaks_a_rule_is_refused_and_the_inventory_is_put_back(inventory, monkeypatch):
    cluster, seen, found = by_hand(inventory, 'shared_buffers: "256MB"', "shared_buffers: 512MB")
    before = inventory.path.read_text()

    def refuse(path):
        raise ConfigError()

    monkeypatch.setattr("installer.actions.inventory_file.load_cluster", refuse)
    with pytest.raises(ConfigError):
        adopt(cluster, seen, {"manager-1": (found,)})

    assert inventory.path.read_text() == before


def test_nothing_is_decided_where_nothing_was_written():
    seen = Survey(engine=None, stages={"a": {}}, observations={"a": Observation()})

    assert decide(seen, None, lambda *_: pytest.fail("asked")) == Decisions()
