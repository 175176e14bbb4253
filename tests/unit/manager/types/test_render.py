import os

import pytest
import yaml

from manager.dsl.parse import InvalidBlueprint, parse_blueprint
from manager.types.render import VERSIONS, publish_types, types_yaml, write_types

NODE_TYPES = {
    "Root",
    "Compute",
    "Container",
    "Tier",
    "Volume",
    "FileSystem",
    "ObjectStorage",
    "Network",
    "Subnet",
    "Port",
    "Router",
    "LoadBalancer",
    "VirtualIP",
    "SecurityGroup",
    "SoftwareComponent",
    "DBMS",
    "Database",
    "WebServer",
    "ApplicationServer",
    "MessageBusServer",
    "ApplicationModule",
    "CloudifyManager",
    "Component",
    "ServiceComponent",
    "SharedResource",
    "Blueprint",
    "PasswordSecret",
}
RELATIONSHIPS = {
    "depends_on",
    "connected_to",
    "contained_in",
    "depends_on_lifecycle_operation",
    "depends_on_shared_resource",
    "connected_to_shared_resource",
    "file_system_depends_on_volume",
    "file_system_contained_in_compute",
}
ONE_OF_EACH = """
tosca_definitions_version: cloudify_dsl_{version}
imports: [cloudify/types/types.yaml]
node_templates:
{nodes}
"""


def document(version):
    return yaml.safe_load(types_yaml(version))


def one_node_of_each_type(version):
    needed = {
        "FileSystem": "{fs_type: ext4, fs_mount_path: /data}",
        "CloudifyManager": "{cloudify_packages: {}}",
        "Component": "{resource_config: {blueprint: {id: b}, deployment: {id: d}}}",
        "ServiceComponent": "{resource_config: {blueprint: {id: b}, deployment: {id: d}}}",
        "SharedResource": "{resource_config: {deployment: {id: d}}}",
    }
    relationships = (
        ", relationships: [{type: cloudify.relationships.contained_in, target: Compute}]"
    )
    return "\n".join(
        f"  {name}: {{type: cloudify.nodes.{name}, properties: {needed.get(name, '{}')}"
        f"{relationships if name == 'FileSystem' else ''}}}"
        for name in sorted(NODE_TYPES)
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_blueprint_of_each_version_may_use_each_type(tmp_path, version):
    path = tmp_path / "blueprint.yaml"
    path.write_text(ONE_OF_EACH.format(version=version, nodes=one_node_of_each_type(version)))

    plan = parse_blueprint(path)

    assert {node["type"] for node in plan["nodes"]} == {f"cloudify.nodes.{n}" for n in NODE_TYPES}
    assert set(plan["relationships"]) == {f"cloudify.relationships.{n}" for n in RELATIONSHIPS}


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_has_the_same_workflows(version):
    assert set(document(version)["workflows"]) == set(document("1_3")["workflows"])


@pytest.mark.parametrize(
    ("version", "workflow", "parameter", "declared"),
    [
        ("1_3", "install", "node_ids", {"default": []}),
        ("1_4", "install", "node_ids", {"type": "list", "item_type": "node_id", "default": []}),
        ("1_4", "execute_operation", "operation", {}),
        ("1_5", "execute_operation", "operation", {"type": "operation_name"}),
    ],
)
def test_parameters_have_the_types_that_their_version_knows(version, workflow, parameter, declared):
    assert document(version)["workflows"][workflow]["parameters"][parameter] == declared


@pytest.mark.parametrize(("version", "rules"), [("1_3", 0), ("1_4", 14), ("1_5", 14)])
def test_workflows_tell_when_they_are_available_from_1_4_on(version, rules):
    workflows = document(version)["workflows"].values()

    assert sum("availability_rules" in workflow for workflow in workflows) == rules


def test_healing_can_forbid_to_reinstall_from_1_4_on():
    assert "allow_reinstall" not in document("1_3")["workflows"]["heal"]["parameters"]
    assert "allow_reinstall" in document("1_4")["workflows"]["heal"]["parameters"]


def test_a_file_of_each_version_is_written(tmp_path):
    write_types(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {
        "types.yaml",
        *(f"types_{version}.yaml" for version in VERSIONS),
    }
    assert (tmp_path / "types.yaml").read_text() == types_yaml("1_5")


def test_the_files_are_served_by_name_and_by_release(tmp_path):
    publish_types(tmp_path, "7.0.5")

    assert (tmp_path / "cloudify/types/types.yaml").is_file()
    assert (tmp_path / "spec/cloudify/7.0.5/types.yaml").is_file()


def test_the_web_server_may_read_the_files(tmp_path):
    before = os.umask(0o077)
    try:
        publish_types(tmp_path, "7.0.5")
    finally:
        os.umask(before)

    file = tmp_path / "spec/cloudify/7.0.5/types.yaml"
    assert file.stat().st_mode & 0o777 == 0o644
    assert all(path.stat().st_mode & 0o777 == 0o755 for path in file.parents[:3])


def test_files_that_are_right_are_not_written_again(tmp_path):
    write_types(tmp_path)
    before = (tmp_path / "types.yaml").stat().st_ino

    write_types(tmp_path)

    assert (tmp_path / "types.yaml").stat().st_ino == before


def test_a_property_that_agents_do_not_have_is_refused(tmp_path):
    path = tmp_path / "blueprint.yaml"
    nodes = (
        "  vm: {type: cloudify.nodes.Compute,"
        " properties: {agent_config: {install_method: provided, install_dir: /opt}}}"
    )
    path.write_text(ONE_OF_EACH.format(version="1_3", nodes=nodes))

    with pytest.raises(InvalidBlueprint, match=r"'vm' node 'agent_config\.install_dir' property"):
        parse_blueprint(path)
