"""Plugins: uploaded as cfy does, read, installed, in use, deleted."""

import io
import zipfile
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from manager.rest.app import create_app
from manager.services.dispatch import connect_outlet
from manager.settings import PathSettings
from manager.storage.models import Blueprint, Plugin, Tenant, User
from tests.support.manager_app import Api
from tests.support.plugin_archive import plugin_zip, tar, wagon

pytestmark = pytest.mark.integration

WAGON = "cloudify_tplug-1.0.0-py311-none-any.wgn"


class Broker:
    """Remembers what was published."""

    def __init__(self):
        self.messages = []

    def publish(self, exchange, routing_key, body, **_options):
        self.messages.append((exchange, routing_key, body))


@pytest.fixture
def broker():
    return Broker()


@pytest.fixture
def tree(tmp_path):
    return tmp_path / "resources"


@pytest.fixture
def api(settings, broker, tree):
    """Serve the REST API with a file tree and a broker."""
    app = create_app(replace(settings, paths=PathSettings(resources=tree)))
    services = app.extensions["manager"]
    connect_outlet(services.database, broker)
    yield Api(app.test_client(), settings)
    services.database.close()


def upload(api, archive, query="", *, status=201):
    reply = api.call("POST", f"/plugins?visibility=tenant{query}", data=archive)
    assert reply.status_code == status, reply.text
    return reply.json


def send(client, method, path, body=None, *, status=200):
    reply = client.call(method, path, json=body)
    assert reply.status_code == status, reply.text
    return reply.json if reply.data else None


def download(api, path):
    reply = api.call("GET", path)
    content = reply.data
    reply.close()
    assert reply.status_code == 200
    return content


def test_an_uploaded_plugin_is_stored_with_its_metadata(api, tree):
    plugin = upload(api, plugin_zip(), "&title=T")

    folder = tree / "plugins" / plugin["id"]
    assert sorted(path.name for path in folder.iterdir()) == [WAGON, "plugin.yaml"]
    assert plugin["package_name"] == "cloudify-tplug"
    assert plugin["wheels"] == ["cloudify_tplug-1.0.0-py3-none-any.whl"]
    assert plugin["supported_py_versions"] == ["py311"]
    assert plugin["title"] == "T"
    assert plugin["blueprint_labels"] == {"kind": ["a", "b"]}
    assert plugin["yaml_files_paths"] == [f"plugins/{plugin['id']}/plugin.yaml"]
    assert plugin["yaml_url_path"] == "plugin:cloudify-tplug?version=1.0.0&distribution=None"
    assert list((tree / ".incoming").iterdir()) == []
    assert send(api, "GET", "/plugins?package_name=cloudify-tplug")["items"] == [plugin]


def test_the_wagon_and_the_whole_come_back_as_they_were(api):
    plugin = upload(api, plugin_zip())

    assert download(api, f"/plugins/{plugin['id']}/archive") == wagon()
    whole = download(api, f"/plugins/{plugin['id']}/archive?full_archive=true")
    assert sorted(zipfile.ZipFile(io.BytesIO(whole)).namelist()) == [WAGON, "plugin.yaml"]


def test_each_dsl_version_gets_its_yaml(api):
    newer = b"plugins: {tplug: {executor: host_agent}}"
    plugin = upload(api, plugin_zip(**{"plugin_1_5.yaml": newer}))
    path = f"/plugins/{plugin['id']}/yaml"

    assert download(api, f"{path}?dsl_version=1_5") == newer
    assert b"central_deployment_agent" in download(api, f"{path}?dsl_version=1_3")
    assert b"central_deployment_agent" in download(api, path)


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"no archive",
        plugin_zip(**{"plugin.yaml": None}),
        plugin_zip(**{WAGON: None}),
        plugin_zip(**{"other.wgn": wagon()}),
        plugin_zip(**{"plugin.yaml": b"{"}),
        plugin_zip(**{"plugin.yaml": b"- list"}),
        plugin_zip(**{"plugin.yaml": b"!!python/object:os.system {}"}),
        plugin_zip(**{WAGON: b"no wagon"}),
        plugin_zip(**{WAGON: tar({"x/readme": b""})}),
        plugin_zip(**{WAGON: tar({"x/package.json": b"[]"})}),
        plugin_zip(**{WAGON: tar({"x/package.json": b"{"})}),
        plugin_zip(**{WAGON: wagon(package_name=5)}),
        plugin_zip(**{"../../outside.yaml": b"a: 1"}),
    ],
)
def test_a_wrong_archive_is_refused_and_leaves_nothing(api, tree, archive):
    upload(api, archive, status=400)

    assert not (tree / "plugins").exists()
    assert list((tree / ".incoming").iterdir()) == []
    assert send(api, "GET", "/plugins")["items"] == []


def test_one_wagon_is_stored_once_in_a_tenant(api):
    upload(api, plugin_zip())
    upload(api, plugin_zip(), status=409)
    upload(api, plugin_zip("2.0.0"))

    assert len(send(api, "GET", "/plugins")["items"]) == 2


def test_workers_are_told_to_install_after_the_commit(api, broker):
    plugin = upload(api, plugin_zip())

    body = {"action": "install", "managers": ["manager-1"]}
    after = send(api, "POST", f"/plugins/{plugin['id']}", body)

    assert after["installation_state"] == [
        {"state": "pending-install", "error": None, "manager": "manager-1", "agent": None}
    ]
    ((exchange, routing_key, message),) = broker.messages
    assert (exchange, routing_key) == ("cloudify-mgmtworker-service", "service")
    kwargs = message["service_task"]["kwargs"]
    assert message["service_task"]["task_name"] == "install-plugin"
    assert kwargs["target"] == ["manager-1"]
    assert kwargs["plugin"]["id"] == plugin["id"]
    assert kwargs["tenant"] == {"name": "default_tenant"}
    worker = api.with_token(kwargs["rest_token"])
    state = {"state": "installed", "manager": "manager-1"}
    told = send(worker, "PUT", f"/plugins/{plugin['id']}", state)
    assert told["installation_state"][0]["state"] == "installed"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"action": "install", "managers": ["nope"]}, 404),
        ({"action": "install"}, 400),
        ({"action": "install", "managers": "manager-1"}, 400),
        ({"action": "fly"}, 400),
    ],
)
def test_a_wrong_installation_tells_no_worker(api, broker, body, status):
    plugin = upload(api, plugin_zip())

    send(api, "POST", f"/plugins/{plugin['id']}", body, status=status)

    assert broker.messages == []
    assert send(api, "GET", f"/plugins/{plugin['id']}")["installation_state"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"state": "installed"}, 409),
        ({"state": "installed", "manager": "manager-1", "agent": "a"}, 409),
        ({"state": "flying", "manager": "manager-1"}, 400),
        ({"manager": "manager-1"}, 400),
        ({"state": "installed", "manager": "nope"}, 404),
    ],
)
def test_a_wrong_state_is_refused(api, body, status):
    plugin = upload(api, plugin_zip())

    send(api, "PUT", f"/plugins/{plugin['id']}", body, status=status)


def test_a_plugin_that_a_blueprint_needs_stays_unless_forced(api, database, tree, broker):
    plugin = upload(api, plugin_zip())
    needs = [{"package_name": "cloudify-tplug", "package_version": "1.0.0", "name": "t"}]
    with database.session() as session:
        session.add(
            Blueprint(
                id="bp",
                tenant_id=session.scalars(select(Tenant.id)).one(),
                creator_id=session.scalar(select(User.id).where(User.username == "admin")),
                state="uploaded",
                plan={"deployment_plugins_to_install": needs},
            )
        )
    path = f"/plugins/{plugin['id']}"
    refused = send(api, "DELETE", path, {"force": False}, status=405)
    assert refused["error_code"] == "plugin_in_use"
    assert "bp" in refused["message"]

    send(api, "PUT", path, {"state": "installed", "manager": "manager-1"})
    send(api, "DELETE", path, {"force": True}, status=204)

    send(api, "GET", path, status=404)
    assert not (tree / path.lstrip("/")).exists()
    assert broker.messages[0][2]["service_task"]["task_name"] == "uninstall-plugin"


def test_a_plugins_title_labels_and_owner_change(api):
    plugin = upload(api, plugin_zip())
    path = f"/plugins/{plugin['id']}"

    changed = send(api, "PATCH", path, {"title": "new", "labels": {"a": ["b"]}})

    assert (changed["title"], changed["labels"]) == ("new", {"a": ["b"]})
    send(api, "PATCH", path, {"creator": "nobody"}, status=404)
    send(api, "PATCH", path, {"package_name": "x"}, status=400)
    send(api, "PATCH", path, {"title": ["x"]}, status=400)
    send(api, "PATCH", path, {}, status=400)
    assert send(api, "PATCH", f"{path}/set-visibility", {"visibility": "global"})["visibility"] == (
        "global"
    )


def test_a_plugin_of_another_tenant_is_unseen(api, database):
    plugin = upload(api, plugin_zip())
    send(api, "POST", "/tenants/other", {}, status=201)
    with database.session() as session:
        other = session.scalar(select(Tenant.id).where(Tenant.name == "other"))
        session.execute(update(Plugin).values(tenant_id=other))

    for path in ("", "/archive", "/yaml"):
        send(api, "GET", f"/plugins/{plugin['id']}{path}", status=404)
    assert send(api, "GET", "/plugins")["items"] == []
