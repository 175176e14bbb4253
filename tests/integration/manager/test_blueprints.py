"""Blueprints by REST: uploads as the genuine client sends them, changes, deletion, files."""

import io
import json
import os
import tarfile
from dataclasses import replace

import pytest
from requests_toolbelt import MultipartEncoder
from sqlalchemy import insert, select, update

from manager.rest.app import create_app
from manager.services.blueprint_files import remove_blueprint_files
from manager.storage.models import Blueprint, Deployment, Execution, User, UserTenant
from tests.support.manager_app import Api

pytestmark = pytest.mark.integration

FIELDS = (
    "created_at id visibility main_file_name plan_p plan requirements updated_at description"
    " is_hidden state error error_traceback tenant_name created_by resource_availability"
    " private_resource labels upload_execution"
)


def archive(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in {"blueprint.yaml": b"nodes: {}", **files}.items():
            info = tarfile.TarInfo(f"app/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def settings(settings, tmp_path):
    return replace(settings, paths=replace(settings.paths, resources=tmp_path / "resources"))


@pytest.fixture
def upload(api):
    """Upload a blueprint as the client does: upload(id, api=…, **params)."""

    def upload(name, content=None, as_user=None, path="", **params):
        fields = {"params": json.dumps({"visibility": "tenant", "async_upload": True, **params})}
        if content is None and "blueprint_archive_url" not in params:
            content = archive()
        if content is not None:
            fields["blueprint_archive"] = ("filename", content, "text/plain")
        form = MultipartEncoder(fields)
        return (as_user or api).call(
            "PUT",
            f"/blueprints/{name}{path}",
            data=form.to_string(),
            content_type=form.content_type,
        )

    return upload


@pytest.fixture
def set_state(database):
    """Change a blueprint's row as the upload workflow does."""

    def set_state(name, **values):
        with database.session() as session:
            session.execute(update(Blueprint).where(Blueprint.id == name).values(**values))

    return set_state


@pytest.fixture
def viewer(api, database):
    """Be a user who may only look."""
    with database.session() as session:
        hashed = session.scalar(select(User.password_hash).where(User.username == "admin"))
        user_id = session.scalar(
            insert(User)
            .values(username="vera", role="default", password_hash=hashed)
            .returning(User.id)
        )
        session.execute(insert(UserTenant).values(user_id=user_id, tenant_id=1, role="viewer"))
    return api.with_login("vera", api.auth[1])


def test_an_upload_is_stored_and_given_to_a_worker(api, upload, settings, database):
    content = archive(**{"scripts/run.sh": b"#!/bin/sh"})

    reply = upload("hello", content, application_file_name="blueprint.yaml")

    assert reply.status_code == 201
    item = reply.json
    assert " ".join(item) == FIELDS
    assert (item["state"], item["main_file_name"], item["labels"]) == (
        "uploading",
        "blueprint.yaml",
        [],
    )
    assert item["upload_execution"]["parameters"] == {
        "blueprint_id": "hello",
        "app_file_name": "blueprint.yaml",
        "url": None,
        "file_server_root": str(settings.paths.resources),
        "marketplace_api_url": "https://marketplace.cloudify.co",
        "validate_only": False,
        "labels": [],
    }
    assert item["upload_execution"]["status"] == "pending"
    stored = settings.paths.resources / "uploaded-blueprints/default_tenant/hello/hello.tar.gz"
    assert stored.read_bytes() == content
    assert api.get("/blueprints/hello") == item


def test_an_execution_has_the_fields_of_the_original(upload):
    execution = upload("hello").json["upload_execution"]

    assert " ".join(execution) == (
        "created_at visibility id ended_at error is_system_workflow parameters_p parameters"
        " status workflow_id started_at scheduled_for is_dry_run resume total_operations"
        " finished_operations allow_custom_parameters blueprint_id execution_group_id"
        " deployment_display_name deployment_id status_display tenant_name created_by"
        " resource_availability private_resource"
    )


def test_a_blueprint_can_come_from_a_url(upload, settings):
    item = upload("far", blueprint_archive_url="https://example.org/app.zip").json

    assert item["state"] == "pending"
    assert item["upload_execution"]["parameters"]["url"] == "https://example.org/app.zip"
    assert not (settings.paths.resources / "uploaded-blueprints").exists()


def test_an_archive_may_come_as_the_body_with_parameters_in_the_query(api, settings):
    reply = api.call(
        "PUT",
        "/blueprints/old?application_file_name=main.yaml&visibility=private&async_upload=True",
        data=archive(),
        content_type="application/octet-stream",
    )

    assert reply.status_code == 201
    assert (reply.json["main_file_name"], reply.json["visibility"]) == ("main.yaml", "private")


def test_an_id_is_taken_once(upload, settings):
    first, second = archive(), archive(other=b"x")
    upload("h4", first)

    reply = upload("h4", second)

    assert (reply.status_code, reply.json["error_code"]) == (409, "conflict_error")
    assert reply.json["message"] == (
        "blueprint with id=h4 already exists on tenant default_tenant or with global visibility"
    )
    stored = settings.paths.resources / "uploaded-blueprints/default_tenant/h4/h4.tar.gz"
    assert stored.read_bytes() == first


def test_an_upload_that_failed_can_be_repeated(upload, set_state):
    upload("again")
    set_state("again", state="invalid", error="no such type")

    reply = upload("again")

    assert reply.status_code == 201
    assert (reply.json["state"], reply.json["error"]) == ("uploading", None)


@pytest.mark.parametrize(
    ("name", "content", "params"),
    [
        ("1digit", None, {}),
        ("x" * 250, None, {}),
        ("a%20b", None, {}),
        ("a..%2Fb", None, {}),
        ("h", b"no archive", {}),
        ("h", None, {"visibility": "everyone"}),
        ("h", None, {"application_file_name": "..%2F..%2Fetc%2Fpasswd"}),
        ("h", None, {"application_file_name": 7}),
        ("h", None, {"labels": [{"key": "a b", "value": "c"}]}),
        ("h", None, {"labels": [{"key": 1, "value": "c"}]}),
        ("h", None, {"labels": "x"}),
        ("h", None, {"created_at": "yesterday"}),
        ("h", None, {"created_by": "nobody"}),
        ("h", None, {"requirements": []}),
        ("h", None, {"async_upload": "perhaps"}),
        ("h", b"PK\x03\x04", {"blueprint_archive_url": "https://example.org/app.zip"}),
    ],
)
def test_an_upload_that_makes_no_sense_leaves_nothing(api, upload, settings, name, content, params):
    reply = upload(name, content, **params)

    assert reply.status_code in (400, 404), reply.text
    assert api.get("/blueprints")["items"] == []
    assert not list((settings.paths.resources).glob("uploaded-blueprints/*/*"))
    assert not list((settings.paths.resources / ".incoming").glob("*"))


def test_an_upload_needs_its_archive(api):
    reply = api.call("PUT", "/blueprints/h?async_upload=true", data=b"")

    assert reply.status_code == 400


def test_an_upload_beyond_the_limit_is_refused(settings, upload, api):
    small = create_app(replace(settings, files=replace(settings.files, max_upload_mb=1)))
    limited = Api(small.test_client(), settings)

    reply = upload("big", archive(noise=os.urandom(1_100_000)), limited)

    assert (reply.status_code, reply.json["error_code"]) == (413, "request_too_large_error")
    small.extensions["manager"].database.close()


def test_a_viewer_reads_but_does_not_upload(upload, viewer):
    upload("hello")

    assert viewer.call("GET", "/blueprints/hello").status_code == 200
    assert upload("other", as_user=viewer).status_code == 403
    assert viewer.call("DELETE", "/blueprints/hello").status_code == 403
    assert viewer.call("PATCH", "/blueprints/hello", json={"state": "invalid"}).status_code == 403


def test_only_an_administrator_makes_a_blueprint_global(upload, api, database, viewer):
    upload("hello")
    with database.session() as session:
        session.execute(update(UserTenant).where(UserTenant.role == "viewer").values(role="user"))

    assert upload("mine", as_user=viewer, visibility="global").status_code == 403
    path, wide = "/blueprints/hello/set-visibility", {"visibility": "global"}
    assert viewer.call("PATCH", path, json=wide).status_code == 403
    reply = api.call("PATCH", path, json=wide)
    assert (reply.status_code, reply.json["visibility"]) == (200, "global")
    narrower = api.call("PATCH", path, json={"visibility": "tenant"})
    assert (narrower.status_code, narrower.json["error_code"]) == (400, "illegal_action_error")


def test_a_finished_upload_publishes_files_and_labels(api, upload, settings):
    upload("hello", archive(**{"scripts/run.sh": b"#!/bin/sh"}))
    plan = {"blueprint_labels": {"arch": {"values": ["docker", "k8s"]}}, "nodes": []}

    reply = api.call(
        "PATCH",
        "/blueprints/hello",
        json={
            "plan": plan,
            "description": "A greeting",
            "state": "uploaded",
            "labels": [{"key": "Team", "value": "red"}],
        },
    )

    assert reply.status_code == 200
    item = reply.json
    assert (item["state"], item["description"], item["plan"]) == ("uploaded", "A greeting", plan)
    assert [(label["key"], label["value"]) for label in item["labels"]] == [
        ("arch", "docker"),
        ("arch", "k8s"),
        ("team", "red"),
    ]
    folder = settings.paths.resources / "blueprints/default_tenant/hello"
    assert (folder / "scripts/run.sh").read_bytes() == b"#!/bin/sh"


def test_a_failed_upload_tells_why_and_leaves_no_archive(api, upload, settings):
    upload("hello")

    change = {"state": "failed_parsing", "error": "no", "error_traceback": "…"}
    item = api.call("PATCH", "/blueprints/hello", json=change).json

    assert (item["state"], item["error"]) == ("failed_parsing", "no")
    assert not (settings.paths.resources / "uploaded-blueprints/default_tenant/hello").exists()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 400),
        ({"state": "splendid"}, 400),
        ({"plan": []}, 400),
        ({"description": 7}, 400),
        ({"visibility": "everyone"}, 400),
        ({"labels": [{"a": "b"}]}, 409),
        ({"state": "parsing", "labels": []}, 409),
        ({"labels": "x"}, 400),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(api, upload, change, status):
    upload("hello")

    assert api.call("PATCH", "/blueprints/hello", json=change).status_code == status


def test_labels_of_an_uploaded_blueprint_are_replaced(api, upload, set_state):
    upload("hello")
    set_state("hello", state="uploaded")

    for labels in ([{"a": "1"}, {"b": ["2", "3"]}], [{"b": "3"}]):
        item = api.call("PATCH", "/blueprints/hello", json={"labels": labels}).json

    assert [(label["key"], label["value"]) for label in item["labels"]] == [("b", "3")]
    assert item["labels"][0]["created_by"] == "admin"


def test_the_archive_is_sent_by_nginx_when_it_asks_and_by_the_service_else(api, upload):
    content = archive()
    upload("hello", content)

    with api.call("GET", "/blueprints/hello/archive") as plain:
        assert plain.data == content
    offer = replace(api, headers={**api.headers, "X-Sendfile-Type": "X-Accel-Redirect"})
    redirected = offer.call("GET", "/blueprints/hello/archive")

    assert plain.headers["Content-Disposition"] == "attachment; filename=hello.tar.gz"
    assert redirected.data == b""
    assert redirected.headers["X-Accel-Redirect"] == (
        "/resources-local/uploaded-blueprints/default_tenant/hello/hello.tar.gz"
    )
    assert redirected.headers["Content-Disposition"] == "attachment; filename=hello.tar.gz"


def test_an_archive_that_is_nowhere_is_absent(api, upload):
    upload("far", blueprint_archive_url="https://example.org/app.zip")

    assert api.call("GET", "/blueprints/far/archive").status_code == 404
    assert api.call("GET", "/blueprints/nothing/archive").status_code == 404


def test_the_archive_of_a_url_is_taken_while_the_blueprint_is_uploaded(api, upload, set_state):
    upload("far", blueprint_archive_url="https://example.org/app.zip")
    content = archive()

    assert api.call("PUT", "/blueprints/far/archive", data=content).status_code == 200
    with api.call("GET", "/blueprints/far/archive") as reply:
        assert reply.data == content
    set_state("far", state="uploaded")
    assert api.call("PUT", "/blueprints/far/archive", data=content).status_code == 400


def test_an_icon_is_set_and_removed(api, upload, settings):
    upload("hello")
    icon = settings.paths.resources / "blueprints/default_tenant/hello/icon.png"

    assert api.call("PATCH", "/blueprints/hello/icon", data=b"PNG").status_code == 200
    assert icon.read_bytes() == b"PNG"
    assert api.call("PATCH", "/blueprints/hello/icon").status_code == 200
    assert not icon.exists()


def test_a_blueprint_is_deleted_with_its_files(api, upload, settings):
    upload("hello")
    api.call("PATCH", "/blueprints/hello", json={"state": "uploaded", "plan": {}})

    reply = api.call("DELETE", "/blueprints/hello?force=False")

    assert (reply.status_code, reply.data) == (204, b"")
    assert api.call("GET", "/blueprints/hello").status_code == 404
    assert not list(settings.paths.resources.glob("*/default_tenant/hello"))


def test_a_deletion_that_is_not_committed_leaves_the_files(upload, settings, database):
    upload("hello")
    folder = settings.paths.resources / "uploaded-blueprints/default_tenant/hello"

    with database.session() as session:
        remove_blueprint_files(session, settings, "default_tenant", "hello")
        assert not folder.exists()
        session.rollback()

    assert (folder / "hello.tar.gz").is_file()


def test_a_blueprint_in_use_is_not_deleted(api, upload, database, set_state):
    upload("base")
    upload("user")
    set_state("user", state="uploaded", plan={"imported_blueprints": {"base": {}}})

    reply = api.call("DELETE", "/blueprints/base")

    assert (reply.status_code, reply.json["error_code"]) == (405, "blueprint_in_use")
    assert api.call("DELETE", "/blueprints/base?force=true").status_code == 204


def test_a_blueprint_with_deployments_is_never_deleted(api, upload, database):
    upload("base")
    with database.session() as session:
        key = session.scalar(select(Blueprint.key).where(Blueprint.id == "base"))
        values = {"id": "d", "display_name": "d", "tenant_id": 1, "creator_id": 1}
        creator = session.scalar(select(User.id).where(User.username == "admin"))
        values["creator_id"] = creator
        session.execute(insert(Deployment).values(**values, blueprint_key=key))

    reply = api.call("DELETE", "/blueprints/base?force=true")

    assert (reply.status_code, reply.json["error_code"]) == (400, "dependent_exists_error")
    assert "Deployments ids: d" in reply.json["message"]


def test_a_validation_leaves_no_blueprint(api, upload, settings):
    reply = upload("hello", path="/validate")

    assert reply.status_code == 201
    name = reply.json["id"]
    assert reply.json["state"] == "validating"
    assert reply.json["upload_execution"]["parameters"]["validate_only"] is True
    assert api.call("PATCH", f"/blueprints/{name}", json={"plan": {}}).status_code == 200
    assert api.get("/blueprints")["items"] == []
    assert not list(settings.paths.resources.glob("uploaded-blueprints/*/*"))


def test_a_patient_client_gets_the_blueprint_when_it_is_parsed(upload, database, monkeypatch):
    def parse(_seconds):
        with database.session() as session:
            session.execute(update(Blueprint).values(state="uploaded"))

    monkeypatch.setattr("manager.rest.blueprint_wait.time.sleep", parse)

    reply = upload("hello", async_upload=False)

    assert (reply.status_code, reply.json["state"]) == (201, "uploaded")


def test_a_patient_client_learns_why_a_blueprint_is_invalid(upload, database, monkeypatch):
    def fail(_seconds):
        with database.session() as session:
            session.execute(update(Blueprint).values(state="invalid", error="no such type"))

    monkeypatch.setattr("manager.rest.blueprint_wait.time.sleep", fail)

    reply = upload("hello", async_upload=False)

    assert (reply.status_code, reply.json["error_code"]) == (400, "invalid_blueprint_error")
    assert reply.json["message"] == "no such type"


def test_what_is_restored_keeps_its_time_and_state_and_runs_nothing(api, upload, database):
    item = upload(
        "old", skip_execution=True, state="uploaded", created_at="2020-02-03T04:05:06.789Z"
    ).json

    assert (item["state"], item["created_at"]) == ("uploaded", "2020-02-03T04:05:06.789Z")
    assert item["upload_execution"] is None
    with database.session() as session:
        assert session.scalars(select(Execution.id)).all() == []


def test_while_an_upload_comes_no_database_connection_is_held(api):
    app = api.client.application
    pool = app.extensions["manager"].database.engine.pool
    held = []

    class Body(io.BytesIO):
        def readinto(self, buffer):
            held.append(pool.checkedout())
            return super().readinto(buffer)

    content = archive()
    api.call(
        "PUT",
        "/blueprints/hello?async_upload=true",
        input_stream=Body(content),
        content_length=len(content),
    )

    assert held
    assert not any(held)
