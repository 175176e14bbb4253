"""A change by hand becomes a setting, or it is said why it cannot."""

import pytest
import yaml

from installer.config.edit import NotEditable, with_value
from installer.plan.adoption import PATRONI, NotAdoptable, adopted_settings, lost_keys

CONFIG = "/etc/cloudify/config.yaml"
WANTED = b"""
name: db-1
restapi: {listen: "10.0.0.1:8008"}
postgresql:
  listen: "*:5432"
  parameters:
    work_mem: "16MB"
    jit: "off"
"""


def edited(old, new):
    return WANTED.decode().replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "settings"),
    [
        ('"16MB"', "64MB", {"work_mem": "64MB"}),
        ('jit: "off"', "jit: on", {"jit": "on"}),
        ('jit: "off"', 'jit: "off"\n    random_page_cost: 1.1', {"random_page_cost": "1.1"}),
    ],
)
def test_a_parameter_of_postgresql_becomes_a_setting(old, new, settings):
    found = adopted_settings(PATRONI, WANTED, edited(old, new))

    assert found == {("postgresql_server", "config", k): v for k, v in settings.items()}


@pytest.mark.parametrize(
    ("path", "old", "new", "reason"),
    [
        (PATRONI, "8008", "8009", "no setting describes restapi.listen"),
        (PATRONI, '    jit: "off"\n', "", "postgresql.parameters.jit is gone"),
        (PATRONI, 'jit: "off"', "jit: 'off'  # a comment", "its meaning did not change"),
        (PATRONI, "name: db-1", "name: [", "no YAML any more (line"),
        ("/etc/haproxy/haproxy.cfg", "8008", "8009", "no setting describes /etc/haproxy"),
    ],
)
def test_what_no_setting_describes_is_refused_with_the_reason(path, old, new, reason):
    with pytest.raises(NotAdoptable, match=reason.replace("(", r"\(")):
        adopted_settings(path, WANTED, edited(old, new))


def test_a_key_of_config_yaml_becomes_the_same_setting():
    wanted = b"rabbitmq: {fd_limit: 5000}\n"

    found = adopted_settings(CONFIG, wanted, "rabbitmq:\n  fd_limit: 6000\n")

    assert found == {("rabbitmq", "fd_limit"): 6000}


def test_a_secret_of_config_yaml_is_not_written_into_the_inventory():
    with pytest.raises(NotAdoptable, match=r"rabbitmq\.password is a secret"):
        adopted_settings(CONFIG, b"rabbitmq: {password: a}\n", "rabbitmq: {password: b}\n")


def test_a_change_is_lost_where_the_new_settings_do_not_say_it():
    """What the settings change besides, for another file's sake, is no loss of this one."""
    found = edited('"16MB"', "64MB").replace('"off"', '"on"')
    after = edited('"16MB"', '"64MB"').replace("8008", "8009").encode()

    assert lost_keys(PATRONI, WANTED, found, after) == ["postgresql.parameters.jit"]
    assert lost_keys(PATRONI, WANTED, edited('"16MB"', "64MB"), after) == []


INVENTORY = """\
# the cluster
nodes:
  - name: a  # one

settings:
  postgresql_server:
    # memory
    config:
      shared_buffers: 256MB  # small
"""


@pytest.mark.parametrize(
    ("text", "path", "value", "expected"),
    [
        (
            INVENTORY,
            ("settings", "postgresql_server", "config", "shared_buffers"),
            "1GB",
            "      shared_buffers: 1GB  # small",
        ),
        (
            INVENTORY,
            ("settings", "postgresql_server", "config", "work_mem"),
            "64MB",
            "      work_mem: 64MB\n      shared_buffers: 256MB  # small",
        ),
        (
            INVENTORY,
            ("settings", "rabbitmq", "fd_limit"),
            5,
            "  rabbitmq:\n    fd_limit: 5\n  postgresql_server:\n    # memory",
        ),
        ("nodes: []\n", ("settings", "a", "b"), 1, "settings:\n  a:\n    b: 1\n"),
        ("settings: {}\n", ("settings", "a", "b"), "x", "settings: {a: {b: x}}"),
        ("settings: {a: 1}\n", ("settings", "b"), [1, 2], "settings: {a: 1, b: [1, 2]}"),
        ("settings:\nnodes: []\n", ("settings", "a"), "x", "settings:\n  a: x\nnodes: []"),
        ("settings: {a: {b: 1}}", ("settings", "a", "b"), "on", "b: 'on'"),
    ],
)
def test_a_value_is_set_and_all_else_stays(text, path, value, expected):
    changed = with_value(text, path, value)

    found = yaml.safe_load(changed)
    for key in path:
        found = found[key]
    assert found == value
    assert expected in changed
    comments = [line.partition("#")[2] for line in text.splitlines() if "#" in line]
    assert all(comment in changed for comment in comments)


def test_a_text_that_cannot_be_edited_safely_is_left_to_a_person():
    text = "base: &b {a: 1}\nsettings:\n  <<: *b\n  list:\n    - 1\n"

    with pytest.raises(NotEditable):
        with_value(text, ("settings", "list"), [2])
