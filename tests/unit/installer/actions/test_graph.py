from installer.actions.graph import RoleStages, build_phases
from installer.phases import Phase
from installer.state import Stage


def role(name, *stages, nodes=("n",), after=()):
    made = tuple(Stage(name=f"{name}/{stage}", after=after) for stage in stages)
    return RoleStages(role=name, nodes={node: made for node in nodes})


def needs(*roles, first=()):
    phases = build_phases(roles, lambda name, stages: None, first=first)
    return {phase.name: phase.needs for phase in phases}


def test_stages_of_a_role_follow_each_other():
    assert needs(role("db", "etcd", "patroni")) == {"db/etcd": (), "db/patroni": ("db/etcd",)}


def test_roles_run_side_by_side():
    assert needs(role("db", "a"), role("mq", "a")) == {"db/a": (), "mq/a": ()}


def test_a_stage_waits_for_the_last_stage_of_the_roles_it_comes_after():
    graph = needs(role("db", "a", "b"), role("manager", "rest", after=("db",)))

    assert graph["manager/rest"] == ("db/b",)


def test_a_role_that_the_run_does_not_touch_counts_as_done():
    assert needs(role("manager", "rest", after=("db",)))["manager/rest"] == ()


def test_every_role_waits_for_the_first_phases():
    first = Phase(name="node/bundle", nodes=("n",), work=lambda: None)

    assert needs(role("db", "a"), first=(first,)) == {"node/bundle": (), "db/a": ("node/bundle",)}


def test_a_phase_covers_the_nodes_of_its_role():
    (phase,) = build_phases([role("db", "a", nodes=("x", "y"))], lambda name, stages: None)

    assert phase.nodes == ("x", "y")
