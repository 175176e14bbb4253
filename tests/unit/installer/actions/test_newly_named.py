"""A replacement brings the files that tell a service of a certificate which is newly named."""

from dataclasses import replace

import pytest

from installer.actions.certificate_part import naming_part, newly_named_part
from installer.actions.rollout import Survey
from installer.engine.observation import Observation, PathFact
from installer.roles.manager.model import WEB_TLS
from installer.state import ManagedFile, NodeState, Stage, Unit
from tests.unit.installer.pki.makers import ca, leaf

OWN = ManagedFile(path=f"{WEB_TLS}/external.crt", content=leaf(ca()).pem)
INTERNAL = ManagedFile(path=f"{WEB_TLS}/internal.crt", content=leaf(ca()).pem)
SITES = ManagedFile(
    path="/etc/nginx/nginx.conf", content=f"{INTERNAL.path};\n{OWN.path};\n".encode()
)
PROGRAM = ManagedFile(path="/etc/program.conf", content=f"{INTERNAL.path}\n".encode())
OTHER = ManagedFile(path="/etc/other.conf", content=b"port = 1\n")
STAGE = Stage(
    name="manager/services",
    state=NodeState(
        files=(SITES, PROGRAM, OTHER, OWN, INTERNAL), units=(Unit(name="nginx.service"),)
    ),
)


def paths(stage):
    return [file.path for file in stage.state.files]


def survey(*present):
    """Return a node that has these files."""
    facts = {f.path: PathFact(kind="file", mode=0o644, owner="root", group="root") for f in present}
    part = naming_part(STAGE)
    return Survey(
        engine=None,
        stages={"m-1": {"manager": (part,)}},
        observations={"m-1": Observation(stages=(part,), paths=facts)},
    )


def test_whoever_names_a_certificate_is_looked_at():
    assert paths(naming_part(STAGE)) == [SITES.path, PROGRAM.path, OWN.path, INTERNAL.path]


def test_who_names_a_certificate_that_the_node_lacks_comes_with_it():
    """What else waits in other files is an install's business."""
    part = newly_named_part(survey(SITES, PROGRAM, INTERNAL))

    assert paths(part(STAGE)) == [SITES.path, OWN.path, INTERNAL.path]
    assert part(STAGE).state.units == STAGE.state.units


def test_where_none_is_new_certificates_come_alone():
    part = newly_named_part(survey(SITES, PROGRAM, INTERNAL, OWN))

    assert paths(part(STAGE)) == [OWN.path, INTERNAL.path]


@pytest.mark.parametrize("part", [naming_part, newly_named_part(survey())])
def test_a_stage_without_certificates_is_left_out(part):
    assert part(replace(STAGE, state=NodeState(files=(OTHER,)))) is None
