"""Components, shared resources and passwords, against a manager in memory."""

import string

import pytest
from cloudify.exceptions import NonRecoverableError, OperationRetry
from cloudify.mocks import MockCloudifyContext, MockNodeContext, MockNodeInstanceContext
from cloudify.state import current_ctx
from cloudify_rest_client.exceptions import CloudifyClientError, ForbiddenWhileCancelling
from hypothesis import given, settings
from hypothesis import strategies as st

from manager.types import agent, blueprint, component, password_secret, shared_resource, work
from tests.support.fake_manager import FakeManager, Item

ARCHIVE = "https://example.com/part.zip"


@pytest.fixture
def fake(monkeypatch):
    """The manager that operations meet; waiting takes no time."""
    fake = FakeManager()
    monkeypatch.setattr("cloudify.manager.get_rest_client", lambda *_, **__: fake)
    monkeypatch.setattr("manager.types.work.time.sleep", lambda _: None)
    return fake


@pytest.fixture
def node():
    """A node instance; its properties are set by the test."""
    context = MockCloudifyContext(
        node_id="part_1",
        node_name="part",
        deployment_id="whole",
        properties={},
        runtime_properties={},
    )
    current_ctx.set(context)
    yield context
    current_ctx.clear()


def configure(node, **properties):
    node.node.properties.update(properties)


def part(external=False, **deployment):
    return {
        "blueprint": {"id": "part-bp", "blueprint_archive": ARCHIVE, "main_file_name": "b.yaml"},
        "deployment": {"id": "part-dep", "external_resource": external, **deployment},
    }


def install(**inputs):
    component.upload_blueprint(**inputs)
    component.create(**inputs)
    component.execute_start(workflow_id="install", **inputs)


def uninstall(**inputs):
    component.execute_start(workflow_id="uninstall", **inputs)
    component.delete(**inputs)


def test_a_component_is_uploaded_created_and_installed(fake, node):
    configure(node, resource_config=part(inputs={"a": 1}, labels=[{"l": "v"}]))

    install()

    assert fake.asked == [
        ("upload", "blueprints", "part-bp", ARCHIVE, "b.yaml"),
        (
            "create",
            "deployments",
            "part-dep",
            "part-bp",
            {"a": 1},
            [{"l": "v"}, {"csys-obj-parent": "whole"}],
        ),
        ("start", "executions", "part-dep", "create_environment", {}),
        ("start", "executions", "part-dep", "install", {}),
    ]
    assert fake.inter_deployment_dependencies.present == {("component.part_1", "whole", "part-dep")}
    assert node.instance.runtime_properties["capabilities"] == {"of": "part-dep"}
    assert node.instance.runtime_properties["deployment"] == {"id": "part-dep"}


def test_a_component_leaves_nothing_behind(fake, node):
    configure(node, resource_config=part(), secrets={"k": "v"})
    install()

    uninstall()

    assert fake.blueprints.values == fake.deployments.values == fake.secrets.values == {}
    assert fake.inter_deployment_dependencies.present == set()
    assert node.instance.runtime_properties == {}


@pytest.mark.parametrize(
    "operation",
    [component.upload_blueprint, component.create, component.execute_start, component.delete],
)
def test_each_operation_may_run_again_after_its_worker_was_lost(fake, node, operation):
    configure(node, resource_config=part(), secrets={"k": "v"})
    for step in (component.upload_blueprint, component.create, component.execute_start):
        step()
        if step is operation:
            step()
    component.delete()
    component.delete()

    done = [entry[:3] for entry in fake.asked if entry[0] in ("upload", "create", "delete")]
    assert len(done) == len(set(done))
    assert fake.inter_deployment_dependencies.present == set()


def test_an_execution_that_a_lost_worker_started_is_followed(fake, node):
    configure(node, resource_config=part())
    component.upload_blueprint()
    component.create()
    running = fake.executions.start("part-dep", "install")
    work.note(running_execution={"workflow_id": "install", "id": running["id"]})
    before = len(fake.asked)

    component.execute_start()

    assert fake.asked[before:] == []
    assert "running_execution" not in node.instance.runtime_properties


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_failed_execution_fails_the_component(fake, node, end):
    configure(node, resource_config=part())
    component.upload_blueprint()
    component.create()
    fake.ends["install"] = end

    with pytest.raises(NonRecoverableError, match=f"{end}: it broke"):
        component.execute_start()


def test_an_environment_that_cannot_be_made_fails_the_component(fake, node):
    configure(node, resource_config=part())
    component.upload_blueprint()
    fake.ends["create_environment"] = "failed"

    with pytest.raises(NonRecoverableError, match="was not made: it broke"):
        component.create()


def test_an_execution_that_takes_too_long_is_left(fake, node):
    configure(node, resource_config=part())
    component.upload_blueprint()
    component.create()
    fake.ends["install"] = "started"

    with pytest.raises(NonRecoverableError, match="timed out after 0 seconds"):
        component.execute_start(timeout=0)


def test_an_external_deployment_is_neither_run_nor_deleted(fake, node):
    fake.blueprints.values["part-bp"] = Item(id="part-bp", state="uploaded")
    fake.deployments.values["part-dep"] = Item(id="part-dep")
    config = part(external=True)
    config["blueprint"]["external_resource"] = True
    configure(node, resource_config=config)

    install()
    uninstall()

    assert fake.asked == []
    assert "part-dep" in fake.deployments.values


def test_what_is_external_must_exist(fake, node):
    config = part(external=True)
    config["blueprint"]["external_resource"] = True
    configure(node, resource_config=config)

    with pytest.raises(NonRecoverableError, match='"part-bp" does not exist'):
        component.upload_blueprint()
    with pytest.raises(NonRecoverableError, match="part-dep does not exist"):
        component.create()


def test_a_deployment_of_the_id_that_is_another_s_is_left_alone(fake, node):
    fake.deployments.values["part-dep"] = Item(id="part-dep")
    configure(node, resource_config=part())

    with pytest.raises(NonRecoverableError, match="exists already"):
        component.create()


def test_a_suffix_makes_the_id_free(fake, node):
    fake.deployments.values["part-dep-1"] = Item(id="part-dep-1")
    configure(node, resource_config=part(auto_inc_suffix=True))
    component.upload_blueprint()

    component.create()

    assert node.instance.runtime_properties["deployment"] == {"id": "part-dep-2"}


def test_secrets_of_others_are_not_overwritten(fake, node):
    fake.secrets.values["k"] = Item(key="k", value="theirs")
    configure(node, resource_config=part(), secrets={"k": "mine", "l": "new"})

    with pytest.raises(NonRecoverableError, match="exist already: k"):
        component.upload_blueprint()
    assert "l" not in fake.secrets.values


def test_a_broken_upload_is_told(fake, node, monkeypatch):
    configure(node, resource_config=part())
    monkeypatch.setattr(
        fake.blueprints, "get", lambda _: Item(state="invalid", error="no such type")
    )

    with pytest.raises(NonRecoverableError, match="part-bp is invalid: no such type"):
        component.upload_blueprint()


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (CloudifyClientError("no", status_code=400), NonRecoverableError),
        (CloudifyClientError("later", status_code=503), CloudifyClientError),
        (ForbiddenWhileCancelling("stop", status_code=403), OperationRetry),
    ],
)
def test_only_what_the_manager_refuses_is_final(fake, node, monkeypatch, error, raised):
    configure(node, resource_config=part())

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(fake.blueprints, "list", fail)

    with pytest.raises(raised):
        component.upload_blueprint()


def test_drift_names_what_differs(fake, node):
    fake.deployments.values["part-dep"] = Item(
        inputs={"a": 1, "b": 2}, labels=[{"key": "l", "value": "v"}]
    )
    configure(node, resource_config=part(inputs={"a": 1, "b": 3}, labels=[{"m": "w"}]))

    assert component.check_drift() == {"inputs": ["b"], "labels": ["m"]}


@pytest.mark.parametrize(
    ("installed", "status", "error"),
    [
        ("inactive", "requires_attention", "not active"),
        ("active", "requires_attention", "requires attention"),
        ("active", "good", None),
    ],
)
def test_status_is_that_of_the_deployment(fake, node, installed, status, error):
    fake.deployments.values["part-dep"] = Item(
        installation_status=installed, deployment_status=status
    )
    configure(node, resource_config=part())

    if error is None:
        component.check_status()
    else:
        with pytest.raises(NonRecoverableError, match=error):
            component.check_status()


def test_a_component_is_healed_unless_it_is_well(fake, node):
    deployment = fake.deployments.values["part-dep"] = Item(deployment_status="good")
    configure(node, resource_config=part())

    component.heal()
    deployment["deployment_status"] = "requires_attention"
    component.heal()

    assert fake.asked == [("start", "executions", "part-dep", "heal", {})]


def test_a_blueprint_node_uploads_and_deletes_its_blueprint(fake, node):
    configure(node, resource_config={"blueprint": {"id": "b", "blueprint_archive": ARCHIVE}})

    blueprint.upload()
    assert list(fake.blueprints.values) == ["b"]
    blueprint.delete()

    assert fake.blueprints.values == {}


SHARED = {"deployment": {"id": "shared"}}


def shared(fake, status, *kinds):
    fake.deployments.values["shared"] = Item(
        id="shared",
        installation_status=status,
        labels=[{"key": "csys-obj-type", "value": kind} for kind in kinds],
    )


def test_a_shared_resource_is_used_and_left(fake, node):
    shared(fake, "active")
    configure(node, resource_config=SHARED)

    shared_resource.connect_deployment()
    assert fake.inter_deployment_dependencies.present == {
        ("sharedresource.part_1", "whole", "shared")
    }
    assert node.instance.runtime_properties["capabilities"] == {"of": "shared"}
    shared_resource.disconnect_deployment()

    assert fake.inter_deployment_dependencies.present == set()
    assert fake.asked == []


def test_a_shared_resource_on_demand_is_installed_for_its_first_user(fake, node):
    shared(fake, "inactive", "on-demand-resource")
    configure(node, resource_config=SHARED)

    shared_resource.connect_deployment()

    assert fake.asked == [("start", "executions", "shared", "install", {"queue": True})]


def test_a_shared_resource_on_demand_is_uninstalled_after_its_last_user(fake, node):
    shared(fake, "active", "on-demand-resource")
    configure(node, resource_config=SHARED)
    shared_resource.connect_deployment()

    shared_resource.disconnect_deployment()

    assert fake.asked == [("start", "executions", "shared", "uninstall", {})]


@pytest.mark.parametrize(
    ("status", "error"), [(None, "does not exist"), ("inactive", "Please install")]
)
def test_a_shared_resource_must_be_installed(fake, node, status, error):
    if status:
        shared(fake, status)
    configure(node, resource_config=SHARED)

    with pytest.raises(NonRecoverableError, match=error):
        shared_resource.connect_deployment()


def test_a_relationship_runs_a_workflow_in_the_shared_resource(fake):
    target = MockCloudifyContext(properties={"resource_config": SHARED}, node_id="shared_1")
    context = MockCloudifyContext(
        source=MockCloudifyContext(node_id="app_1"),
        target=MockCloudifyContext(node_id="shared_1"),
    )
    context._target = type(
        "Target",
        (),
        {
            "node": MockNodeContext(properties=target.node.properties),
            "instance": MockNodeInstanceContext("shared_1", {}),
        },
    )()
    shared(fake, "active")
    current_ctx.set(context)
    try:
        shared_resource.execute_workflow(workflow_id="add_user", parameters={"n": 1})
    finally:
        current_ctx.clear()

    assert fake.asked == [("start", "executions", "shared", "add_user", {"parameters": {"n": 1}})]
    assert context.target.instance.runtime_properties == {"capabilities": {"of": "shared"}}


PASSWORD = {"length": 12, "uppercase": 2, "lowercase": 0, "digits": 3, "symbols": -1}


def test_a_password_is_kept_as_a_secret_only(fake, node):
    configure(node, **PASSWORD)

    password_secret.create()
    password_secret.create()

    ((key, secret),) = fake.secrets.values.items()
    assert key == "ps_whole_part_1"
    assert len(secret.value) == 12
    assert node.instance.runtime_properties["password"] == {"get_secret": key}
    assert secret.value not in str(node.instance.runtime_properties)
    password_secret.delete()
    assert fake.secrets.values == {}


def test_an_existing_secret_is_used_and_kept(fake, node):
    fake.secrets.values["mine"] = Item(key="mine", value="old")
    configure(node, **PASSWORD, secret_name="mine", use_secret_if_exists=True)

    password_secret.create()
    password_secret.delete()

    assert fake.secrets.values["mine"].value == "old"


MINIMUMS = st.integers(-1, 5)


@settings(deadline=None)
@given(
    st.integers(6, 40),
    st.fixed_dictionaries(dict.fromkeys(("uppercase", "lowercase", "digits", "symbols"), MINIMUMS)),
)
def test_a_password_has_what_is_asked_for_and_nothing_else(length, minimums):
    if password_secret.password_problem(length, minimums):
        with pytest.raises(NonRecoverableError):
            password_secret.password(length, minimums)
        return

    text = password_secret.password(length, minimums)

    assert len(text) == length
    kinds = {
        "uppercase": string.ascii_uppercase,
        "lowercase": string.ascii_lowercase,
        "digits": string.digits,
        "symbols": " " + string.punctuation,
    }
    for kind, minimum in minimums.items():
        count = sum(character in kinds[kind] for character in text)
        assert count >= minimum if minimum >= 0 else count == 0


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"length": 5}, "at least 6"),
        ({"digits": -2}, "below -1"),
        ({"uppercase": -1, "lowercase": -1, "digits": -1}, "every kind"),
        ({"uppercase": 20}, "exceed the length"),
    ],
)
def test_a_password_that_cannot_be_is_refused(fake, node, changes, error):
    configure(node, **(PASSWORD | changes))

    with pytest.raises(NonRecoverableError, match=error):
        password_secret.creation_validation()


def test_host_agents_are_refused_with_a_way_on():
    with pytest.raises(NonRecoverableError, match="install_method to none"):
        agent.create(ctx=None)


def test_every_operation_of_types_yaml_that_is_ours_exists():
    import importlib
    import re

    from manager.types.render import types_yaml

    names = set(re.findall(r"(manager\.types\.\w+)\.(\w+)", types_yaml("1_5")))

    missing = [
        f"{module}.{name}"
        for module, name in names
        if not callable(getattr(importlib.import_module(module), name, None))
    ]
    assert missing == []
    assert len(names) > 30
