"""Facts about versions decide what works together, and by which steps one gets to another."""

import pytest

from installer.config.compatibility import (
    _facts,
    dead_keys,
    in_range,
    parsed_version,
    upgrade_steps,
    version_problems,
)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("3.5.28", (3, 5, 28)),
        ("1:25.2.3+dfsg-1+deb12u4", (25, 2, 3)),
        ("3.4.23-4+b4", (3, 4, 23)),
        ("4.0.6~rc1-1", (4, 0, 6)),
        ("17", (17,)),
    ],
)
def test_debian_versions_are_read(text, version):
    assert parsed_version(text) == version


def test_what_begins_with_no_number_is_no_version():
    with pytest.raises(ValueError, match="no version"):
        parsed_version("unknown")


@pytest.mark.parametrize(
    ("version", "wanted", "is_in"),
    [
        ((3, 5, 28), ">=3.5.28,<3.6", True),
        ((3, 5, 27), ">=3.5.28,<3.6", False),
        ((3, 6, 0), ">=3.5.28,<3.6", False),
        ((4, 1), ">=4.1.0", True),
        ((17,), "==17.0", True),
    ],
)
def test_a_range_is_compared_number_by_number(version, wanted, is_in):
    assert in_range(version, wanted) is is_in


@pytest.mark.parametrize(
    ("versions", "remedy"),
    [
        ({"etcd": "3.5.28-1", "patroni": "4.1.0-1"}, "install patroni >=4.1.1"),
        ({"etcd": "3.4.42", "patroni": "3.0.2-1"}, "install patroni >=4.1.1"),
        ({"etcd": "3.6.9", "patroni": "4.1.0"}, "install patroni >=4.1.1"),
        ({"etcd": "3.6.2", "patroni": "4.0.6"}, "install patroni >=4.1.1"),
        ({"postgresql": "17", "patroni": "3.3.2"}, "install patroni >=4.0"),
        ({"rabbitmq": "4.3.3", "erlang": "1:26.2.5"}, "install erlang >=27.0 and <28"),
        ({"rabbitmq": "4.0.5-4", "erlang": "1:25.2.3"}, "install erlang >=26.2 and <28"),
    ],
)
def test_versions_that_do_not_work_together_are_one_problem(versions, remedy):
    (problem,) = version_problems(versions)

    assert (problem.remedy, problem.code) == (remedy, "version-mismatch")


@pytest.mark.parametrize(
    "versions",
    [
        {"etcd": "3.4.23-4", "patroni": "3.0.2-1", "postgresql": "15.9", "rabbitmq": "3.10.8-1.1"},
        {"rabbitmq": "3.10.8-1.1", "erlang": "1:25.2.3+dfsg-1"},
        {"etcd": "3.5.16-4", "patroni": "4.0.5-1", "postgresql": "17.5-0"},
        {"rabbitmq": "4.0.5-4", "erlang": "1:27.3.4.1+dfsg-1"},
        {"etcd": "3.5.28"},
    ],
)
def test_what_debian_ships_works_together(versions):
    assert list(version_problems(versions)) == []


@pytest.mark.parametrize(
    ("found", "wanted", "steps"),
    [
        ("4.2.1", "4.3.0", ("4.3",)),
        ("3.10.8-1.1", "4.0.5-4", ("3.11", "3.12", "3.13", "4.0")),
        ("4.0.5", "4.3.1", ("4.2", "4.3")),
        ("3.13.7", "4.3.1", ("4.2", "4.3")),
        ("4.0.5", "4.0.9", ()),
        ("4.3.0", "4.2.9", None),
        ("4.0.5", "9.9", None),
    ],
)
def test_an_upgrade_of_brokers_takes_the_shortest_legal_way(found, wanted, steps):
    assert upgrade_steps("rabbitmq", found, wanted) == steps


def test_keys_die_with_a_version():
    assert "cluster_partition_handling" in {key.key for key in dead_keys("rabbitmq", "4.3.0")}
    assert "cluster_partition_handling" not in {key.key for key in dead_keys("rabbitmq", "4.2.9")}


def test_every_fact_has_its_source():
    facts = _facts()

    assert all(fact["source"] for fact in (*facts["needs"], *facts["dead_keys"]))
    assert all(steps["source"] for steps in facts["steps"].values())
