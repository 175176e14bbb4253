"""Blueprints become plans, plans become environments, and both as often as a worker dies."""

import http.server
import shutil
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import insert, select

from manager.dsl.plan import InvalidDeployment
from manager.services.execution_status import ExecutionStatus
from manager.services.labels import PARENT
from manager.storage.models import (
    Blueprint,
    BlueprintLabel,
    Deployment,
    DeploymentLabel,
    Event,
    InterDeploymentDependency,
    Node,
    NodeInstance,
    Plugin,
    Secret,
    Tenant,
    User,
)
from manager.system_workflows.context import WorkflowFailed
from tests.benchmarks.runtime.blueprints import write_graph
from tests.support.full_blueprint import everything
from tests.support.system_workflows import Workshop

pytestmark = pytest.mark.integration

HEAD = "tosca_definitions_version: cloudify_dsl_1_3\nimports: [cloudify/types/types.yaml]\n"
NODE = "node_templates: {app: {type: cloudify.nodes.Root}}\n"


@pytest.fixture
def workshop(settings, database, tmp_path):
    return Workshop.at(settings, database, tmp_path / "resources")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "app"
    path.mkdir()
    return path


def write(folder, text, name="blueprint.yaml"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(HEAD + text)
    return folder


def put_secret(workshop, key):
    with workshop.database.session() as session:
        session.execute(
            insert(Secret).values(
                id=key,
                tenant_id=session.scalar(select(Tenant.id)),
                creator_id=session.scalar(select(User.id).where(User.username == "admin")),
            )
        )


def test_an_uploaded_blueprint_has_a_plan_and_its_files(workshop, folder):
    everything(folder, "1_3")

    blueprint = workshop.upload(folder, labels=[{"given": "yes"}])

    assert (blueprint.state, blueprint.error) == ("uploaded", None)
    assert {node["id"] for node in blueprint.plan["nodes"]} == {"vm", "app", "store", "other"}
    assert blueprint.main_file_name == "blueprint.yaml"
    assert blueprint.description == "All there is in a blueprint."
    assert blueprint.requirements["secrets"] == ["key"]
    assert workshop.rows(BlueprintLabel, "name", "value") == [("given", "yes"), ("kind", "all")]
    tree = workshop.settings.paths.resources
    assert (tree / "blueprints/default_tenant/bp/scripts/a.sh").is_file()
    assert list((tree / ".incoming").iterdir()) == []


def test_the_log_tells_how_far_an_upload_came(workshop, folder):
    workshop.upload(write(folder, NODE))

    assert workshop.rows(Event, "kind", "message") == [
        ("cloudify_log", "Blueprint archive uploaded. Extracting..."),
        ("cloudify_log", "Blueprint archive extracted. Parsing..."),
    ]


@pytest.mark.parametrize(
    ("text", "parameters", "state", "error"),
    [
        (
            "node_templates: {a: {type: nowhere}}\n",
            {},
            "invalid",
            "Invalid blueprint - Could not locate node type: 'nowhere'",
        ),
        ("a: b: c\n", {}, "failed_parsing", "Failed parsing blueprint - mapping values"),
        (
            NODE,
            {"app_file_name": "other.yaml"},
            "failed_extracting",
            "other.yaml does not exist in the application directory",
        ),
        (
            NODE,
            {"app_file_name": "../../../../etc/passwd"},
            "failed_extracting",
            "../../../../etc/passwd does not exist in the application directory",
        ),
    ],
)
def test_an_upload_that_fails_tells_what_failed(workshop, folder, text, parameters, state, error):
    with pytest.raises(WorkflowFailed):
        workshop.upload(write(folder, text), **parameters)

    blueprint = workshop.blueprint("bp")
    assert blueprint.state == state
    assert blueprint.error.startswith(error)
    assert "Traceback" in blueprint.error_traceback
    assert "/.incoming/" not in blueprint.error
    assert blueprint.plan is None


def test_an_archive_without_blueprint_yaml_is_refused(workshop, folder):
    with pytest.raises(WorkflowFailed, match=r"missing blueprint\.yaml"):
        workshop.upload(write(folder, NODE, "main.yaml"))

    assert workshop.blueprint("bp").state == "failed_extracting"


def test_another_main_file_may_be_named(workshop, folder):
    blueprint = workshop.upload(write(folder, NODE, "main.yaml"), app_file_name="main.yaml")

    assert (blueprint.state, blueprint.main_file_name) == ("uploaded", "main.yaml")


def test_what_is_no_archive_fails_to_be_extracted(workshop):
    execution = workshop.begin_upload("bp", None)
    place = workshop.settings.paths.resources / "uploaded-blueprints/default_tenant/bp"
    place.mkdir(parents=True)
    (place / "bp.zip").write_text("no archive")

    with pytest.raises(WorkflowFailed):
        workshop.run("blueprint.upload", execution, blueprint_id="bp")

    blueprint = workshop.blueprint("bp")
    assert blueprint.state == "failed_extracting"
    assert "unrecognized format" in blueprint.error


def test_an_absent_archive_is_a_failed_upload(workshop):
    execution = workshop.begin_upload("bp", None)

    with pytest.raises(WorkflowFailed):
        workshop.run("blueprint.upload", execution, blueprint_id="bp")

    assert workshop.blueprint("bp").state == "failed_uploading"


def test_an_upload_that_is_repeated_ends_the_same(workshop, folder):
    execution = workshop.begin_upload("bp", write(folder, NODE))
    parameters = {"blueprint_id": "bp", "labels": [{"a": "b"}, {"key": "c", "value": "d"}]}
    workshop.run("blueprint.upload", execution, **parameters)
    first = workshop.blueprint("bp")

    workshop.run("blueprint.upload", execution, **parameters)

    second = workshop.blueprint("bp")
    assert (second.state, second.plan) == (first.state, first.plan)
    assert workshop.rows(BlueprintLabel, "name", "value") == [("a", "b"), ("c", "d")]


def test_validation_keeps_no_files(workshop, folder):
    blueprint = workshop.upload(write(folder, NODE), validate_only=True)

    assert blueprint.state == "uploaded"
    assert not (workshop.settings.paths.resources / "blueprints").exists()


@contextmanager
def served(path):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=path)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_port}"
        finally:
            listener.shutdown()
            thread.join()


def test_a_blueprint_at_a_url_is_downloaded_and_kept(workshop, folder, tmp_path):
    write(folder, NODE)
    shutil.make_archive(str(tmp_path / "site/any"), "zip", folder.parent, folder.name)
    execution = workshop.begin_upload("bp", None)

    with served(tmp_path / "site") as url:
        workshop.run("blueprint.upload", execution, blueprint_id="bp", url=f"{url}/any.zip")

    tree = workshop.settings.paths.resources
    assert workshop.blueprint("bp").state == "uploaded"
    assert (tree / "uploaded-blueprints/default_tenant/bp/bp.zip").is_file()


@pytest.mark.parametrize("path", ["/absent.zip", None])
def test_a_url_that_gives_nothing_is_a_failed_upload(workshop, tmp_path, path):
    execution = workshop.begin_upload("bp", None)

    with served(tmp_path) as site:
        url = f"{site}{path}" if path else "file:///etc/passwd"
        with pytest.raises(WorkflowFailed):
            workshop.run("blueprint.upload", execution, blueprint_id="bp", url=url)

    assert workshop.blueprint("bp").state == "failed_uploading"


def test_plugins_are_imported_as_the_user_may_see_them(workshop, folder):
    def add(plugin_id, version, tenant, visibility):
        with workshop.database.session() as session:
            session.execute(
                insert(Plugin).values(
                    id=plugin_id,
                    package_name="tplug",
                    package_version=version,
                    archive_name="t.wgn",
                    tenant_id=session.scalar(select(Tenant.id).where(Tenant.name == tenant)),
                    creator_id=session.scalar(select(User.id)),
                    visibility=visibility,
                    labels={"obj": ["x"]},
                    yaml_names=["plugin.yaml"],
                )
            )
        place = workshop.settings.paths.resources / "plugins" / plugin_id
        place.mkdir(parents=True)
        (place / "plugin.yaml").write_text(
            "plugins: {tplug: {executor: central_deployment_agent, package_name: tplug,"
            f" package_version: '{version}'}}}}\n"
            "node_types: {tplug.node: {interfaces: {cloudify.interfaces.lifecycle:"
            " {create: tplug.mod.create}}}}\n"
        )

    with workshop.database.session() as session:
        session.execute(insert(Tenant).values(name="other"))
    add("mine", "1.0", "default_tenant", "tenant")
    add("theirs", "2.0", "other", "tenant")
    add("all-s", "1.5", "other", "global")
    (folder / "blueprint.yaml").write_text(
        "tosca_definitions_version: cloudify_dsl_1_3\n"
        "imports: [cloudify/types/types.yaml, 'plugin:tplug']\n"
        "node_templates: {app: {type: tplug.node}}\n"
    )

    plan = workshop.upload(folder).plan

    (plugin,) = plan["deployment_plugins_to_install"]
    assert plugin["package_version"] == "1.5"
    assert plan["labels"] == {"obj": {"values": ["x"]}}


def test_a_blueprint_of_the_tenant_is_imported(workshop, folder, tmp_path):
    workshop.upload(write(folder, NODE), "base")
    top = write(tmp_path / "top", "")
    (top / "blueprint.yaml").write_text(
        "tosca_definitions_version: cloudify_dsl_1_3\n"
        "imports: [cloudify/types/types.yaml, 'b--blueprint:base']\n"
    )

    plan = workshop.upload(top, "top").plan

    assert [node["id"] for node in plan["nodes"]] == ["b--app"]


def test_an_environment_has_nodes_and_instances(workshop, folder):
    put_secret(workshop, "key")
    everything(folder, "1_3")
    workshop.upload(folder)

    deployment = workshop.deploy(inputs={"size": 2}, labels=[{"given": "yes"}])

    assert deployment.inputs["size"] == 2
    assert deployment.inputs["shape"] == {"width": 3, "colour": "red"}
    assert set(deployment.workflows) >= {"install", "uninstall", "hello"}
    assert deployment.outputs == {"where": {"value": {"get_attribute": ["app", "address"]}}}
    assert deployment.resource_tags == {"owner": {"get_input": "size"}}
    counts = {node_id: (planned, most) for node_id, planned, most in workshop.rows(
        Node, "id", "planned_number_of_instances", "max_number_of_instances")}  # fmt: skip
    assert counts == {"vm": (2, 4), "app": (1, -1), "store": (1, -1), "other": (1, -1)}
    instances = workshop.rows(NodeInstance, "id", "index", "state", "host_id", "scaling_groups")
    assert len(instances) == 7
    hosts = {name: host for name, _, _, host, _ in instances if name.startswith(("vm_", "app_"))}
    assert len(hosts) == 4
    assert set(hosts.values()) == {name for name in hosts if name.startswith("vm_")}
    assert {state for _, _, state, _, _ in instances} == {"uninitialized"}
    assert [index for name, index, *_ in instances if name.startswith("vm_")] == [1, 2]
    labels = workshop.rows(DeploymentLabel, "name", "value")
    assert sorted(labels) == [("env", "test"), ("given", "yes")]
    workdir = workshop.settings.paths.resources / "deployments/default_tenant/dep"
    assert workdir.is_dir()


def test_a_function_that_asks_another_deployment_is_a_dependency(workshop, folder):
    put_secret(workshop, "key")
    everything(folder, "1_3")
    workshop.upload(folder)
    another = workshop.deploy("another", inputs={})

    deployment = workshop.deploy(inputs={})

    ((creator, source, target),) = workshop.rows(
        InterDeploymentDependency,
        "dependency_creator",
        "source_deployment_key",
        "target_deployment_key",
    )[1:]
    assert creator == "capabilities.theirs.value.get_capability"
    assert (source, target) == (deployment.key, another.key)


def test_an_environment_is_made_once_however_often_it_is_tried(workshop, folder):
    workshop.upload(write(folder, NODE))
    execution = workshop.begin("dep")
    workshop.run("deployment_environment.create", execution, inputs={})
    before = workshop.rows(NodeInstance, "key", "id")

    workshop.run("deployment_environment.create", execution, inputs={})

    assert workshop.rows(NodeInstance, "key", "id") == before


@pytest.mark.parametrize(
    ("inputs", "error"),
    [
        ({"size": 9}, "Value 9 of input size violates constraint in_range(1, 5) operator"),
        ({"size": "x"}, "the Constraint argument type  is 'list' but value type is 'str'"),
        ({"shape": 1}, "Property type validation failed in 'shape'"),
        ({"shape": {"height": 1}}, "Undefined property height in value of input shape"),
        ({"none": 1}, "Unknown inputs"),
    ],
)
def test_inputs_that_break_their_declaration_are_explained(workshop, folder, inputs, error):
    put_secret(workshop, "key")
    everything(folder, "1_3")
    workshop.upload(folder)

    with pytest.raises(InvalidDeployment) as caught:
        workshop.deploy(inputs=inputs)

    assert error in str(caught.value)
    assert workshop.rows(Node, "id") == []
    assert workshop.deployment("dep").workflows is None


@pytest.mark.parametrize(
    ("kind", "there", "absent"),
    [("secret_key", "key", "none"), ("node_id", "app", "none"), ("blueprint_id", "bp", "none")],
)
def test_an_input_may_name_what_exists(workshop, folder, kind, there, absent):
    put_secret(workshop, "key")
    constraint = ", constraints: [{name_pattern: {starts_with: ''}}]" if kind == "node_id" else ""
    write(folder, f"inputs: {{which: {{type: {kind}{constraint}}}}}\n" + NODE)
    path = folder / "blueprint.yaml"
    path.write_text(path.read_text().replace("dsl_1_3", "dsl_1_4"))
    workshop.upload(folder)

    assert workshop.deploy(inputs={"which": there}).inputs == {"which": there}
    with pytest.raises(InvalidDeployment, match=r"not a valid value|does not match any"):
        workshop.deploy("other", inputs={"which": absent})


def test_a_missing_secret_is_named(workshop, folder):
    everything(folder, "1_3")
    workshop.upload(folder)

    with pytest.raises(InvalidDeployment, match=r"Required secrets: \[key\] don't exist"):
        workshop.deploy(inputs={})


def test_a_private_secret_of_another_user_is_missing(workshop, folder):
    put_secret(workshop, "key")
    with workshop.database.session() as session:
        session.execute(Secret.__table__.update().values(visibility="private"))
        session.execute(insert(User).values(username="ann", role="default"))
    everything(folder, "1_3")
    workshop.upload(folder)

    with pytest.raises(InvalidDeployment, match="don't exist"):
        replace(workshop, username="ann").deploy(inputs={})


def test_a_constraint_may_be_a_function(workshop, folder):
    pattern = "{concat: ['^', {get_sys: [deployment, id]}]}"
    body = f"inputs: {{name: {{type: string, constraints: [{{pattern: {pattern}}}]}}}}\n"
    workshop.upload(write(folder, body + NODE))

    assert workshop.deploy(inputs={"name": "dep-1"}).inputs == {"name": "dep-1"}
    with pytest.raises(InvalidDeployment, match="violates constraint pattern"):
        workshop.deploy("other", inputs={"name": "dep-1"})


def test_the_display_name_is_the_request_s_or_the_blueprint_s(workshop, folder):
    body = "deployment_settings: {display_name: {concat: [of-, {get_sys: [deployment, id]}]}}\n"
    workshop.upload(write(folder, body + NODE))

    assert workshop.deploy("one").display_name == "of-one"
    assert workshop.deploy("two", display_name="mine").display_name == "mine"


def test_settings_without_effect_are_told(workshop, folder):
    workshop.upload(write(folder, "deployment_settings: {default_groups: [g]}\n" + NODE))

    workshop.deploy()

    assert ("warning", "deployment_settings.default_groups has no effect yet") in workshop.rows(
        Event, "level", "message"
    )


@pytest.mark.parametrize(("name", "error"), [("x" * 257, "too long"), ("a\x07b", "illegal")])
def test_a_display_name_that_none_can_be_is_refused(workshop, folder, name, error):
    workshop.upload(write(folder, NODE))

    with pytest.raises(WorkflowFailed, match=error):
        workshop.deploy(display_name=name)


def test_an_environment_is_required_where_the_blueprint_reads_its_capabilities(
    workshop, folder, tmp_path
):
    workshop.upload(
        write(tmp_path / "env", NODE + "capabilities: {net: {value: {id: 7}}}\n"), "env"
    )
    body = "outputs: {net: {value: {get_environment_capability: [net, id]}}}\n"
    workshop.upload(write(folder, NODE + body))
    workshop.deploy("env", "env")

    with pytest.raises(WorkflowFailed, match=r"capabilities are required: net\.id"):
        workshop.deploy("alone")
    workshop.deploy("inside", labels=[{PARENT: "env"}])

    assert workshop.deployment("env").sub_services_count == 1


def test_a_deleted_environment_takes_everything_along(workshop, folder):
    workshop.upload(write(folder, NODE))
    workshop.deploy("env")
    deployment = workshop.deploy(labels=[{PARENT: "env"}])
    workdir = workshop.settings.paths.resources / "deployments/default_tenant/dep"
    (workdir / "left.txt").write_text("x")
    execution = workshop.execution(deployment, "delete_deployment_environment")

    for _ in range(2):  # a worker may die after the files are gone
        workshop.run("deployment_environment.delete", execution, delete_logs=False, force=False)
    workshop.end(execution, ExecutionStatus.TERMINATED)
    workshop.run("deployment_environment.delete", execution, delete_logs=False, force=False)

    assert not workdir.exists()
    assert workshop.rows(Deployment, "id") == [("env",)]
    assert workshop.deployment("env").sub_services_count == 0


@pytest.mark.parametrize(
    ("state", "end", "failure"),
    [
        ("uploading", "failed", "failed_uploading"),
        ("extracting", "failed", "failed_extracting"),
        ("parsing", "cancelled", "failed_parsing"),
        ("invalid", "failed", "invalid"),
        ("parsing", "terminated", "parsing"),
    ],
)
def test_an_upload_whose_process_died_is_a_failed_one(workshop, state, end, failure):
    execution = workshop.begin_upload("bp", None)
    with workshop.database.session() as session:
        session.execute(Blueprint.__table__.update().values(state=state))

    workshop.end(execution, ExecutionStatus(end), "the process was killed")

    blueprint = workshop.blueprint("bp")
    assert blueprint.state == failure
    assert blueprint.error == (None if state == failure else "the process was killed")


def test_a_deployment_deleted_meanwhile_is_no_environment(workshop, folder):
    workshop.upload(write(folder, NODE))
    execution = workshop.begin("dep")
    with workshop.database.session() as session:
        session.delete(session.scalars(select(Deployment)).one())

    with pytest.raises(WorkflowFailed, match="deleted meanwhile"):
        workshop.run("deployment_environment.create", execution, inputs={})


def test_two_deployments_of_a_blueprint_have_different_instances(workshop, folder):
    workshop.upload(write_graph(folder, 20).parent)
    workshop.deploy("one")
    workshop.deploy("two")

    names = [name for (name,) in workshop.rows(NodeInstance, "id")]
    assert len(set(names)) == 40


def test_a_blueprint_of_another_tenant_is_out_of_reach(workshop, folder, tmp_path):
    with workshop.database.session() as session:
        session.execute(insert(Tenant).values(name="other"))
    workshop.upload(write(folder, NODE), "base")
    other = replace(workshop, tenant="other")
    top = write(tmp_path / "top", "")
    (top / "blueprint.yaml").write_text(
        "tosca_definitions_version: cloudify_dsl_1_3\n"
        "imports: [cloudify/types/types.yaml, 'b--blueprint:base']\n"
    )

    with pytest.raises(WorkflowFailed, match="`base` was not found"):
        other.upload(top, "top")
    assert workshop.rows(Blueprint, "id", "state") == [("base", "uploaded"), ("top", "invalid")]
