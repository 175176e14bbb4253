"""Journeys: intrinsic functions, plugins as wagons, components, imported blueprints."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.journeys.operator import Operator, messages, unique
from tests.support.cfy_client import cfy_command

GREETER = Path(__file__).parents[1] / "support" / "plugins" / "greeter"


@pytest.fixture(scope="module")
def installed_functions(operator: Operator) -> tuple[str, str]:
    """Install the deployment that uses every function, and return its word and its id."""
    word = unique("Word")
    operator.cfy.run("secrets", "create", f"{word}-secret", "-s", "hush")
    operator.cfy.run("secrets", "create", f"{word}-json", "-s", '{"key": ["no", "yes"]}')
    provider = operator.deploy(operator.upload("provider"), {"colour": "blue"})
    inputs = {"word": word, "provider": provider}
    deployment = operator.deploy(operator.upload("functions"), inputs, "team:reds")
    operator.execute(deployment, "install")
    return word, deployment


def test_functions_in_operation_inputs(operator: Operator, installed_functions):
    word, deployment = installed_functions

    properties = operator.properties(deployment, "holder")

    assert properties["kept"] == {
        "input": word,
        "property": f"{word}-second",
        "secret": "hush",
        "secret_part": "yes",
        "capability": "blue",
        "sys": deployment,
        "label": "reds",
    }
    assert properties["started"] == {"attribute": "hush", "upper": word.upper()}


def test_functions_in_outputs_and_capabilities(operator: Operator, installed_functions):
    word, deployment = installed_functions
    pair = [instance["id"] for instance in operator.instances(deployment, "pair")]

    outputs = operator.outputs(deployment)

    attribute = outputs.pop("attribute")
    assert attribute["secret"] == "hush"
    dictionary = outputs.pop("attributes_dict")
    assert dictionary == {instance: {"mark.x": 1} for instance in pair}
    blueprint = outputs.pop("blueprint")
    assert blueprint.startswith("functions-")
    assert outputs == {
        "input": "first",
        "property": 20,
        "started": {"attribute": "hush", "upper": word.upper()},
        "attributes_list": [1, 1],
        "secret": "hush",
        "capability": 2,
        "label": ["reds"],
        "concat": f"{word}-second/7",
        "merge": {"a": 1, "b": 2},
        "find": word.index("-"),
        "replace": "a/b.c",
        "split": "c",
        "lower": word.lower(),
        "upper": word.upper(),
        "tenant": "default_tenant",
        "deployment": deployment,
        "name": deployment,
        "owner": "admin",
        "consumers": 0,
    }
    assert operator.capabilities(deployment) == {"word": f"{word}!"}


def test_a_missing_secret_is_told_when_the_deployment_is_created(operator: Operator):
    blueprint = operator.upload("functions")
    words = ("deployments", "create", unique("lacking"), "-b", blueprint)

    refusal = operator.refusal(*words, "-i", "provider=none", "-i", "word=absent")

    assert "absent-secret" in refusal


def test_a_missing_input_is_told(operator: Operator):
    blueprint = operator.upload("functions")

    refusal = operator.refusal("deployments", "create", unique("lacking"), "-b", blueprint)

    assert "provider" in refusal


def build_wagon(folder: Path) -> Path:
    """Build the plugin's wagon from its source, without a network."""
    source = folder / "source"
    shutil.copytree(GREETER, source)
    wagon = Path(cfy_command()).with_name("wagon")
    options = "--no-build-isolation --no-index"
    command = [str(wagon), "create", "-o", str(folder), ".", "-a", options]
    subprocess.run(command, check=True, capture_output=True, cwd=source)
    (made,) = folder.glob("*.wgn")
    return made


@pytest.fixture(scope="module")
def greeter(operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Bring the plugin to the manager and return its id."""
    return upload_greeter(operator, tmp_path_factory.mktemp("wagon"))


def upload_greeter(operator: Operator, folder: Path) -> str:
    """Upload the plugin, built below a folder, unless the manager has it; return its id."""
    if not (found := _plugins(operator)):
        operator.cfy.run("plugins", "upload", build_wagon(folder), "-y", GREETER / "plugin.yaml")
        found = _plugins(operator)
    (plugin,) = found
    return plugin


def _plugins(operator: Operator) -> list[str]:
    listed = operator.cfy.json("plugins", "list")
    return [str(each["id"]) for each in listed if each["package_name"] == "cfy-test-greeter"]


def test_a_plugin_of_a_wagon_runs_in_its_own_environment(operator: Operator, greeter):
    deployment = operator.install("greeting")

    outputs = operator.outputs(deployment)
    assert outputs["greeting"] == "bonjour"
    assert "cfy-test-greeter" in outputs["python"]
    operator.execute(deployment, "uninstall")
    said = messages(operator.events(operator.last(deployment, "uninstall")["id"]))
    assert "the plugin says good-bye" in said


def test_a_plugin_in_use_is_kept(operator: Operator, greeter):
    operator.deploy(operator.upload("greeting"))

    assert "currently in use" in operator.refusal("plugins", "delete", greeter)


def test_a_component_installs_another_blueprint(operator: Operator):
    blueprint, name = operator.upload("hello"), unique("part")
    deployment = operator.deploy(
        operator.upload("component"), {"blueprint": blueprint, "deployment": name}
    )

    operator.execute(deployment, "install")

    assert operator.outputs(deployment) == {"greeting": "hello component"}
    assert operator.outputs(name) == {"said": "hello component"}
    assert operator.states(name) == {"hello": "started"}
    refusal = operator.refusal("deployments", "delete", name)
    assert deployment in refusal

    operator.execute(deployment, "uninstall")

    assert name not in {each["id"] for each in operator.cfy.json("deployments", "list")}
    operator.remove(deployment)


_IMPORTING = """\
tosca_definitions_version: cloudify_dsl_1_3

imports:
  - cloudify/types/types.yaml
  - inner--blueprint:{blueprint}

node_templates:
  outer:
    type: cloudify.nodes.Root
    relationships:
      - type: cloudify.relationships.depends_on
        target: inner--hello

outputs:
  said:
    value: {{ get_attribute: [inner--hello, said] }}
"""


def test_a_blueprint_imports_another(operator: Operator, tmp_path):
    inner = operator.upload("hello")
    (tmp_path / "blueprint.yaml").write_text(_IMPORTING.format(blueprint=inner))
    outer = operator.upload("importing", tmp_path)

    deployment = operator.deploy(outer, {"inner--who": "importer"})
    operator.execute(deployment, "install")

    assert operator.outputs(deployment)["said"] == "hello importer"
    assert set(operator.states(deployment)) == {"outer", "inner--hello"}
    assert inner in operator.refusal("blueprints", "delete", inner)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tosca_definitions_version: cloudify_dsl_9_9\n", "cloudify_dsl_9_9"),
        (
            "tosca_definitions_version: cloudify_dsl_1_3\n"
            "imports: [cloudify/types/types.yaml]\n"
            "node_templates: {x: {type: absent.nodes.Type}}\n",
            "absent.nodes.Type",
        ),
        (
            "tosca_definitions_version: cloudify_dsl_1_3\nimports: [plugin:absent-plugin]\n",
            "absent-plugin",
        ),
        ("a: [", "blueprint"),
    ],
    ids=["version", "type", "plugin", "yaml"],
)
def test_a_blueprint_that_is_wrong_is_refused_with_the_reason(
    operator: Operator, tmp_path, text, words
):
    (tmp_path / "blueprint.yaml").write_text(text)

    refusal = operator.refusal(
        "blueprints", "upload", tmp_path / "blueprint.yaml", "-b", unique("wrong")
    )

    assert words in refusal
