"""What follows from a loss: words to nodes, pauses, the weakest of all losses."""

import pytest

from installer.errors import ConfigError
from installer.foresight.forecast import Loss
from installer.foresight.survival import Leaders, Outcome, Part
from installer.foresight.whatif import Pause, consequence, every_loss, is_zone, named_nodes


def pause(found, part):
    return dict(zip([fate.part for fate in found.fates], found.pauses, strict=True))[part]


def test_words_name_nodes_and_zones_in_the_order_of_the_file(ten):
    assert named_nodes(ten.inventory, ["queue-2,db-1", "zone:c"]) == (
        *("db-1", "db-3", "queue-2", "queue-3", "manager-3"),
    )


def test_every_word_that_names_nothing_is_a_problem_with_the_nearest_name(ten):
    with pytest.raises(ConfigError) as raised:
        named_nodes(ten.inventory, ["db1,queue-9", "zone:z"])

    first, *others = raised.value.problems
    assert (first.where, first.remedy) == ("--lose", "did you mean `db-1`?")
    assert len(others) == 2


def test_a_lost_database_may_be_any_of_them(ten):
    found = consequence(ten, ["db-1"])

    longest_s = ten.forecast(Loss.PRIMARY_AND_ETCD_LEADER).longest_s
    assert pause(found, Part.DATABASE) == Pause(0, longest_s)
    assert pause(found, Part.REST) == Pause(0, longest_s)
    assert found.exit_code == 0


@pytest.mark.parametrize(
    ("leaders", "shortest", "longest"),
    [
        (
            Leaders(primary="db-1", synchronous="db-2"),
            Loss.PRIMARY_HOST,
            Loss.PRIMARY_AND_ETCD_LEADER,
        ),
        (
            Leaders(primary="db-2", synchronous="db-1"),
            Loss.SYNCHRONOUS_REPLICA,
            Loss.SYNCHRONOUS_REPLICA,
        ),
    ],
)
def test_a_known_role_narrows_the_pause(ten, leaders, shortest, longest):
    found = consequence(ten, ["db-1"], leaders=leaders)

    expected = Pause(ten.forecast(shortest).shortest_s, ten.forecast(longest).longest_s)
    assert pause(found, Part.DATABASE) == expected


def test_a_replica_that_nobody_waits_for_costs_nothing(ten):
    found = consequence(ten, ["db-3"], leaders=Leaders(primary="db-1", synchronous="db-2"))

    assert pause(found, Part.DATABASE) == Pause(0, 0)


def test_what_does_not_come_back_by_itself_lasts_until_repaired(ten):
    found = consequence(ten, ["db-1", "db-2"])

    assert str(pause(found, Part.DATABASE)) == "until repaired"
    assert found.exit_code == 2
    assert found.outcome is Outcome.DOWN


def test_a_part_of_the_purposes_is_exit_code_1(ten):
    assert consequence(ten, ["queue-1", "queue-2"]).exit_code == 1


def test_the_worst_losses_come_first_and_pairs_only_where_they_are_worse_than_their_nodes(ten):
    found = every_loss(ten)

    assert found[0].exit_code == 2
    pairs = {each.lost for each in found if len(each.lost) == 2 and not is_zone(each)}
    assert len(pairs) == 3 + 3  # two databases, two brokers
    assert {each.label for each in found if is_zone(each)} == {"zone a", "zone b", "zone c"}


def test_a_zone_of_one_node_is_that_node(outlook_named):
    assert not any(map(is_zone, every_loss(outlook_named("three-nodes"))))
