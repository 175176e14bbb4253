"""A run that brings certificates brings whoever names others than on its node: nginx, foremost."""

from dataclasses import replace

import pytest

from installer.actions.certificate_part import naming_part, renamed_part
from installer.actions.rollout import Survey
from installer.engine.observation import Observation, PathFact
from installer.roles.manager.model import WEB_TLS
from installer.state import ManagedFile, NodeState, Stage, Unit
from tests.unit.installer.pki.makers import ca, leaf

OWN = ManagedFile(path=f"{WEB_TLS}/external.crt", content=leaf(ca()).pem)
INTERNAL = ManagedFile(path=f"{WEB_TLS}/internal.crt", content=leaf(ca()).pem)
NODE_CERTIFICATE = ManagedFile(path="/etc/cloudify/ssl/node.crt", content=leaf(ca()).pem)
SITES = ManagedFile(path="/etc/nginx/nginx.conf", content=f"{INTERNAL.path};\n".encode())
BOTH = replace(SITES, content=f"{INTERNAL.path};\n{OWN.path};\n".encode())
PROGRAM = ManagedFile(path="/etc/program.conf", content=f"# new\n{INTERNAL.path}\n".encode())
SECRET = ManagedFile(path="/etc/secret.conf", content=f"{OWN.path}\n".encode(), secret=True)
OTHER = ManagedFile(path="/etc/other.conf", content=b"port = 1\n")
OLD_PROGRAM = replace(PROGRAM, content=f"{INTERNAL.path}\n".encode())


def stage(*files):
    units = (Unit(name="nginx.service"),)
    return Stage(name="manager/services", state=NodeState(files=files, units=units))


WITH_OWN = stage(BOTH, PROGRAM, OTHER, OWN, INTERNAL)
WITHOUT_OWN = stage(SITES, PROGRAM, OTHER, INTERNAL)


def fact(file):
    text = None if file.secret else file.content.decode()
    return PathFact(kind="file", mode=0o644, owner="root", group="root", text=text)


def seen_of(*present, left=()):
    return Observation(
        paths={file.path: fact(file) for file in present},
        written={"file": {file.path: "" for file in (*present, *left)}},
    )


def brought(wanted, *present, left=()):
    """Return what comes to a node that has these files; `left` are there, and no longer wanted."""
    naming = naming_part(wanted)
    seen = Observation(
        stages=(naming,),
        paths={file.path: fact(file) for file in present},
        written={"file": {file.path: "" for file in (*present, *left)}},
    )
    survey = Survey(engine=None, stages={"m-1": {"manager": (naming,)}}, observations={"m-1": seen})
    return paths(renamed_part(survey)(wanted))


def paths(found):
    return [file.path for file in found.state.files]


def test_whoever_names_a_certificate_is_looked_at():
    assert paths(naming_part(WITH_OWN)) == [SITES.path, PROGRAM.path, OWN.path, INTERNAL.path]


def test_who_is_to_name_another_certificate_comes_with_it():
    """What else waits in other files is an install's business."""
    found = brought(WITH_OWN, SITES, OLD_PROGRAM, INTERNAL)

    assert found == [SITES.path, OWN.path, INTERNAL.path]


def test_a_certificate_that_a_killed_run_has_brought_is_named_by_the_next():
    assert SITES.path in brought(WITH_OWN, SITES, OLD_PROGRAM, INTERNAL, OWN)


def test_who_names_a_certificate_that_is_wanted_no_longer_comes():
    found = brought(WITHOUT_OWN, BOTH, OLD_PROGRAM, INTERNAL, left=(OWN,))

    assert found == [SITES.path, INTERNAL.path]


def test_who_names_nothing_on_a_node_yet_comes():
    assert SITES.path in brought(WITHOUT_OWN, INTERNAL)


@pytest.mark.parametrize(("present", "comes"), [(BOTH, True), (SITES, False)])
def test_config_yaml_which_names_all_comes_where_any_name_changes(present, comes):
    """It is secret, so it cannot be seen; it would wait for an install otherwise."""
    content = f"{NODE_CERTIFICATE.path}\n".encode()
    config = ManagedFile(path="/etc/cloudify/config.yaml", content=content, secret=True)
    base = stage(config, NODE_CERTIFICATE)
    wanted = {"node": (naming_part(base),), "manager": (naming_part(WITHOUT_OWN),)}
    files = (config, NODE_CERTIFICATE, present, OLD_PROGRAM, INTERNAL)
    seen = seen_of(*files, left=(OWN,))

    part = renamed_part(Survey(engine=None, stages={"m-1": wanted}, observations={"m-1": seen}))

    assert (config.path in paths(part(base))) is comes


def test_where_names_are_as_wanted_certificates_come_alone():
    assert brought(WITH_OWN, BOTH, OLD_PROGRAM, INTERNAL, OWN) == [OWN.path, INTERNAL.path]


@pytest.mark.parametrize(("present", "comes"), [((), True), ((OWN,), False)])
def test_a_secret_file_which_nobody_sees_comes_with_a_certificate_that_lacks(present, comes):
    found = brought(stage(SECRET, OWN), SECRET, *present)

    assert (SECRET.path in found) is comes


def test_a_stage_without_certificates_is_left_out():
    nobody = Survey(engine=None, stages={}, observations={})

    assert naming_part(stage(OTHER)) is None
    assert renamed_part(nobody)(stage(OTHER)) is None
