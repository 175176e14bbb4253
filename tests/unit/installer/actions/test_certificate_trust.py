"""A renewal refuses nodes whose services trust another CA: they would refuse each other."""

import pytest

from installer.actions.certificate_part import trust_problems
from installer.actions.rollout import Survey
from installer.engine.observation import Observation, PathFact, UserFact, digest
from installer.state import ManagedFile, NodeState, Stage
from tests.unit.installer.pki.makers import ca, leaf

OLD, NEW = ca("Old Root"), ca("New Root")


def seen(stage, path, present, wanted):
    """Return a node whose file has one content and is to have another."""
    file = ManagedFile(path=path, content=wanted)
    made = Stage(name=stage, state=NodeState(files=(file,)))
    fact = PathFact(kind="file", mode=0o644, owner="root", group="root", digest=digest(present))
    root = UserFact(group="root", home="/root", groups=())
    observation = Observation(stages=(made,), paths={path: fact}, users={"root": root})
    role = stage.partition("/")[0]
    return Survey(engine=None, stages={"db-1": {role: (made,)}}, observations={"db-1": observation})


def test_another_authority_on_a_node_is_a_problem():
    found = seen("database/etcd", "/etc/etcd/tls/ca.crt", OLD.pem, NEW.pem)

    (problem,) = trust_problems(found)

    assert problem.where == "db-1: /etc/etcd/tls/ca.crt"
    assert problem.code == "certificate-authority-differs"


@pytest.mark.parametrize(
    ("stage", "present", "wanted"),
    [
        ("database/etcd", OLD.pem, OLD.pem),
        ("database/etcd", leaf(OLD).pem, leaf(OLD).pem),
        ("loadbalancer/haproxy", b"", leaf(OLD).pem + leaf(OLD).key_pem()),
        ("node/base", OLD.pem, NEW.pem),
    ],
    ids=["the same", "a leaf", "a leaf with its key", "a copy for people"],
)
def test_what_no_service_trusts_is_none(stage, present, wanted):
    assert list(trust_problems(seen(stage, "/etc/x.crt", present, wanted))) == []
