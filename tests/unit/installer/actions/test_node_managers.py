"""A single node's manager has a key of its own to change; a cluster's managers share theirs."""

import pytest

from installer.actions import node_managers as action
from installer.actions.installed import Installed
from installer.cluster_secrets import load_secrets
from installer.config.complete import complete
from installer.errors import ConfigError, Refused
from installer.report import report_for

OLD = "Zohy5Thaek0ahdeeYu3ahw7ooShae9ph"


@pytest.fixture
def node(monkeypatch, tmp_path):
    """A node with a manager; what it converges to and seals anew is recorded."""
    secrets = tmp_path / "secrets.yaml"
    secrets.touch(mode=0o600)
    secrets.write_text(f"encryption_key: '{OLD}'\n")
    here = {"services": ("manager_service",), "config": {}}
    titles, sealed = [], [3, 0]

    monkeypatch.setattr(action, "STATE", tmp_path)
    monkeypatch.setattr(action, "LOGS", tmp_path)
    monkeypatch.setattr(action, "SECRETS", secrets)
    monkeypatch.setattr(action, "_converge", lambda _i, _n, title: titles.append(title))
    monkeypatch.setattr(action, "on_this_node", lambda _: sealed.pop(0))
    monkeypatch.setattr(
        action,
        "this_node",
        lambda *_, **__: Installed(complete(here["config"]), here["services"]),
    )
    return secrets, titles, here


def test_the_key_of_a_lone_manager_changes_in_three_steps(node):
    secrets, titles, _ = node

    changed = action.change_node_key(report_for(as_json=True))

    assert changed.values == 3
    assert load_secrets(secrets).keys() == {"encryption_key"}
    assert load_secrets(secrets)["encryption_key"].reveal() != OLD
    assert [title[:6] for title in titles] == ["1 of 3", "2 of 3", "3 of 3"]


def test_a_key_that_config_yaml_says_is_left_to_the_controller(node):
    secrets, titles, here = node
    here["config"] = {"flask_security": {"encryption_key": "quoh4Eif8ieLoowah5ceiGh0eeth9Sha"}}

    with pytest.raises(Refused) as caught:
        action.change_node_key(report_for(as_json=True))

    assert "cluster update-encryption-key" in caught.value.problems[0].remedy
    assert (titles, load_secrets(secrets)["encryption_key"].reveal()) == ([], OLD)


def test_without_a_manager_there_is_no_key(node):
    node[2]["services"] = ("queue_service",)

    with pytest.raises(ConfigError):
        action.change_node_key(report_for(as_json=True))
