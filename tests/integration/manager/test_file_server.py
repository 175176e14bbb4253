"""/resources through the product's nginx: who may, what is absent, and what another manager has."""

import io
import json
import tarfile
import time
from dataclasses import replace

import psycopg
import pytest
import requests

from tests.support.file_servers import two_file_servers
from tests.support.manager_app import ADMIN

pytestmark = pytest.mark.integration

SCRIPT = "/resources/blueprints/default_tenant/hello/scripts/run.sh"


@pytest.fixture(scope="module")
def managers(tmp_path_factory, bootstrapped, postgres):
    name = "file_servers"
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{bootstrapped.database.name}"')
    settings = replace(bootstrapped, database=replace(bootstrapped.database, name=name))
    _fill(postgres.dsn(name))
    with two_file_servers(tmp_path_factory.mktemp("servers"), settings, postgres) as servers:
        yield servers


@pytest.fixture
def sql(managers, postgres):
    """Run a statement on the managers' database."""

    def sql(statement, *values):
        with psycopg.connect(postgres.dsn("file_servers")) as connection:
            connection.execute(statement, values)

    return sql


@pytest.fixture(autouse=True)
def empty_trees(request):
    if "managers" not in request.fixturenames:
        return
    for server in request.getfixturevalue("managers"):
        for path in sorted(server.resources.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    request.getfixturevalue("sql")("DELETE FROM folder_writes")


def _fill(dsn):
    """Make tenants, users and what files belong to."""
    with psycopg.connect(dsn) as db:
        ask = lambda text, *values: db.execute(text, values).fetchone()[0]  # noqa: E731
        admin, password = db.execute(
            "SELECT id, password_hash FROM users WHERE username = 'admin'"
        ).fetchone()
        red = ask("INSERT INTO tenants (name) VALUES ('red') RETURNING id")
        home = ask("SELECT id FROM tenants WHERE name = 'default_tenant'")
        for user, tenant, role in (("vera", home, "viewer"), ("rita", red, "user")):
            user_id = ask(
                "INSERT INTO users (username, role, password_hash)"
                " VALUES (%s, 'default', %s) RETURNING id",
                user,
                password,
            )
            db.execute(
                "INSERT INTO users_tenants (user_id, tenant_id, role) VALUES (%s, %s, %s)",
                (user_id, tenant, role),
            )
        for tenant, name, visibility in (
            (home, "hello", "tenant"),
            (home, "secret", "private"),
            (red, "shared", "global"),
            (red, "other", "tenant"),
        ):
            key = ask(
                "INSERT INTO blueprints (id, tenant_id, creator_id, visibility, state)"
                " VALUES (%s, %s, %s, %s, 'uploaded') RETURNING key",
                name,
                tenant,
                admin,
                visibility,
            )
            db.execute(
                "INSERT INTO deployments (id, display_name, tenant_id, creator_id, visibility,"
                " blueprint_key) VALUES (%s, %s, %s, %s, %s, %s)",
                (name, name, tenant, admin, visibility, key),
            )


def archive(**files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def as_user(name, tenant=None):
    headers = {"Tenant": tenant}
    return {"auth": (name, ADMIN[1]), "headers": headers}


def file_requests(server):
    """Return how many requests for files a web server has logged: before the answer to another."""
    server.call("GET", "/none")
    log = (server.home / "nginx" / "access.log").read_text()
    return sum("/resources/" in line for line in log.splitlines())


def test_a_file_is_sent_to_who_may_read_it(managers):
    server, _ = managers
    server.write("blueprints/default_tenant/hello/scripts/run.sh", b"#!/bin/sh\n")

    reply = server.call("GET", SCRIPT)

    assert (reply.status_code, reply.content) == (200, b"#!/bin/sh\n")
    assert reply.headers["Content-Type"] == "application/octet-stream"
    assert server.call("HEAD", SCRIPT).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "blueprints/default_tenant/hello/scripts/none.sh",
        "blueprints/default_tenant/hello",
        "blueprints/default_tenant/nothing/scripts/run.sh",
        "deployments/default_tenant/hello/scripts/run.sh",
        "deployments/default_tenant/nothing/",
        "blueprints/default_tenant/",
        "blueprints/",
        "",
        "install.py",
        ".incoming/x",
        "plugins/none/x.wgn",
        "cloudify/types/none.yaml",
        "packages/agents/none.tar.gz",
        "cloudify_agent/none.sh",
    ],
)
def test_what_is_absent_is_404_and_never_an_empty_200(managers, path):
    """A worker would run an empty script, and it would succeed."""
    for server in managers:
        assert server.call("GET", f"/resources/{path}").status_code == 404


def test_nobody_reads_without_a_login(managers):
    server, _ = managers
    server.write("blueprints/default_tenant/hello/scripts/run.sh", b"x")
    nobody = requests.get(server.url + SCRIPT, verify=server.http.verify, timeout=10)
    wrong = server.call("GET", SCRIPT, auth=("admin", "wrong"))

    assert (nobody.status_code, wrong.status_code) == (401, 401)
    assert server.call("GET", "/resources/", auth=("admin", "wrong")).status_code == 401


@pytest.mark.parametrize(
    ("user", "path", "status"),
    [
        ("vera", "blueprints/default_tenant/hello/f", 200),
        ("vera", "uploaded-blueprints/default_tenant/hello/f", 200),
        ("vera", "tenant-resources/default_tenant/f", 200),
        ("vera", "blueprints/default_tenant/secret/f", 404),
        ("vera", "deployments/default_tenant/secret/f", 404),
        ("vera", "blueprints/red/shared/f", 200),
        ("vera", "blueprints/red/other/f", 403),
        ("vera", "deployments/red/other/f", 403),
        ("vera", "tenant-resources/red/f", 403),
        ("vera", "snapshots/s/f", 403),
        ("vera", "cloudify/types/f", 200),
        ("vera", "packages/agents/f", 200),
        ("rita", "blueprints/red/other/f", 200),
        ("rita", "blueprints/default_tenant/hello/f", 403),
        ("admin", "blueprints/default_tenant/secret/f", 200),
        ("admin", "snapshots/s/f", 200),
    ],
)
def test_tenants_and_visibility_hold_for_files(managers, user, path, status):
    server, _ = managers
    server.write(path, b"x")

    assert server.call("GET", f"/resources/{path}", **as_user(user)).status_code == status


@pytest.mark.parametrize(
    "path",
    [
        "blueprints/default_tenant/hello/%2e%2e/%2e%2e/red/other/f",
        "blueprints/default_tenant/hello/..%2f..%2f..%2fred/other/f",
        "blueprints/default_tenant/..%2fred%2fother%2ff",
        "blueprints/default_tenant//hello/../../red/other/f",
        "blueprints/default_tenant/hello/%2e%2e%2f%2e%2e%2f%2e%2e%2f.incoming/f",
        "cloudify/%2e%2e/blueprints/red/other/f",
        "cloudify_agent/%2e%2e/blueprints/red/other/f",
        "cloudify_agent/../blueprints/red/other/f",
        "packages/..%5c..%5cblueprints/red/other/f",
        "blueprints/default_tenant/hello/f%00",
        "blueprints/default_tenant/hello/f%0d%0aX-File-Source:%20local",
    ],
)
def test_no_detour_leads_to_another_tenant(managers, path):
    server, _ = managers
    server.write("blueprints/red/other/f", b"theirs")
    request = requests.Request("GET", server.url, auth=("vera", ADMIN[1])).prepare()
    request.url = f"{server.url}/resources/{path}"  # as it is, without requests' tidying

    reply = server.http.send(request, verify=server.http.verify, timeout=10)

    assert reply.status_code in (400, 403, 404)
    assert reply.content != b"theirs"


def test_a_link_in_the_tree_leads_nowhere(managers, tmp_path):
    server, _ = managers
    outside = tmp_path / "passwd"
    outside.write_bytes(b"root")
    server.write("blueprints/default_tenant/hello/f", b"x")
    (server.resources / "blueprints/default_tenant/hello/link").symlink_to(outside)

    reply = server.call("GET", "/resources/blueprints/default_tenant/hello/link")

    assert reply.status_code in (403, 404)


def test_clients_cannot_reach_what_is_internal(managers):
    server, _ = managers
    server.write("blueprints/default_tenant/hello/f", b"x")

    for path in ("resources-local/blueprints/default_tenant/hello/f", "resources-peer", "none"):
        assert server.call("GET", f"/{path}").status_code == 404
    assert server.call("GET", "/file-server-auth").status_code == 404


def test_names_with_strange_characters_are_found(managers):
    server, _ = managers
    server.write("blueprints/default_tenant/hello/ä b?c#d%e.txt", b"x")

    path = "/resources/blueprints/default_tenant/hello/%C3%A4%20b%3Fc%23d%25e.txt"

    assert [manager.call("GET", path).content for manager in managers] == [b"x", b"x"]


def test_a_deployments_folder_is_written_listed_packed_and_emptied(managers):
    server, _ = managers
    folder = "/resources/deployments/default_tenant/hello/"
    assert server.call("GET", folder).json() == {}

    put = server.call("PUT", folder + "a/b.sh", data=b"echo")
    server.call("PUT", folder + "empty", data=b"")

    assert (put.status_code, put.json()) == (200, None)
    assert server.call("GET", folder + "a/b.sh").content == b"echo"
    assert server.call("GET", folder + "empty").content == b""
    listing = server.call("GET", folder).json()
    assert list(listing) == ["a/b.sh", "empty"]
    assert listing["a/b.sh"].endswith("+00:00")
    packed = server.call("GET", folder, params={"archive": "True"}).content
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert tar.getnames() == ["a/b.sh", "empty"]
    assert server.call("DELETE", folder + "a/b.sh").status_code == 204
    assert server.call("DELETE", folder + "a/b.sh").status_code == 404
    assert list(server.call("GET", folder).json()) == ["empty"]


def test_a_file_keeps_the_time_that_the_client_gives(managers):
    server, _ = managers
    folder = "/resources/deployments/default_tenant/hello/"
    moment = "2020-02-03T04:05:06.789000+00:00"

    reply = server.call("PUT", folder + "f", files={"file": b"x"}, data={"mtime": moment})

    assert reply.status_code == 200
    assert server.call("GET", folder).json() == {"f": moment}
    bad = server.call("PUT", folder + "f", files={"file": b"x"}, data={"mtime": "noon"})
    assert bad.status_code == 400


@pytest.mark.parametrize("path", ["f/below", "folder"])
def test_nothing_is_a_file_and_a_folder_at_once(managers, path):
    server, _ = managers
    folder = "/resources/deployments/default_tenant/hello/"
    server.call("PUT", folder + "f", data=b"x")
    server.call("PUT", folder + "folder/g", data=b"x")

    for name in (path, f"{path}/?extract=yes" if path == "f/below" else path):
        reply = server.call("PUT", folder + name, data=archive(x=b"y"))
        assert (reply.status_code, reply.json()["error_code"]) == (400, "bad_parameters_error")


def test_a_path_that_is_too_long_is_absent(managers):
    server, _ = managers

    path = "/resources/deployments/default_tenant/hello/" + "/".join(["n" * 200] * 15)

    assert server.call("GET", path).status_code == 404
    assert server.call("PUT", path, data=b"x").status_code == 404


def test_an_archive_is_extracted_into_a_folder(managers):
    server, _ = managers
    folder = "/resources/deployments/default_tenant/hello/"
    server.call("PUT", folder + "kept", data=b"1")

    content = archive(**{"new": b"2", "deep/new": b"3"})
    reply = server.call("PUT", folder + "?extract=yes", data=content)

    assert reply.status_code == 200
    assert list(server.call("GET", folder).json()) == ["deep/new", "kept", "new"]
    evil = archive(**{"../../secret/f": b"x"})
    assert server.call("PUT", folder + "?extract=yes", data=evil).status_code == 400
    assert list(server.call("GET", folder).json()) == ["deep/new", "kept", "new"]


@pytest.mark.parametrize(
    ("user", "path", "status"),
    [
        ("vera", "deployments/default_tenant/hello/f", 403),
        ("rita", "deployments/default_tenant/hello/f", 403),
        ("rita", "deployments/red/other/f", 200),
        ("admin", "deployments/default_tenant/nothing/f", 404),
        ("admin", "deployments/default_tenant/hello", 403),
        ("admin", "blueprints/default_tenant/hello/f", 403),
        ("admin", "cloudify/types/types.yaml", 403),
        ("admin", "deployments/default_tenant/f", 403),
    ],
)
def test_only_deployments_are_written_and_only_by_who_may_run_them(managers, user, path, status):
    server, _ = managers

    reply = server.call("PUT", f"/resources/{path}", data=b"x", **as_user(user))

    assert reply.status_code == status
    written = [path for path in server.resources.rglob("*") if path.is_file()]
    assert len(written) == (1 if status == 200 else 0)


def test_a_file_that_only_the_other_manager_has_is_found(managers):
    first, second = managers
    first.write("blueprints/default_tenant/hello/scripts/run.sh", b"#!/bin/sh\n")
    first.write("uploaded-blueprints/default_tenant/hello/hello.tar.gz", b"PACKED")

    found = second.call("GET", SCRIPT)
    download = second.call("GET", "/api/v3.1/blueprints/hello/archive")

    assert (found.status_code, found.content) == (200, b"#!/bin/sh\n")
    assert download.content == b"PACKED"
    assert download.headers["Content-Disposition"] == "attachment; filename=hello.tar.gz"
    assert second.call("GET", SCRIPT, **as_user("rita")).status_code == 403


def test_what_was_written_on_the_other_manager_is_seen_at_once(managers):
    first, second = managers
    folder = "/resources/deployments/default_tenant/hello/"
    second.write("deployments/default_tenant/hello/f", b"old")

    first.call("PUT", folder + "f", data=b"new")
    first.call("PUT", folder + "g", data=b"more")

    assert second.call("GET", folder + "f").content == b"new"
    assert list(second.call("GET", folder).json()) == ["f", "g"]
    assert second.call("DELETE", folder + "g").status_code == 204
    assert first.call("GET", folder + "g").status_code == 404


def test_an_empty_answer_of_a_dead_manager_hangs_no_request(managers, sql):
    """Addresses of 240.0.0.0/4 are never reached; 10.255.255.1 swallows packets."""
    _, second = managers
    sql("UPDATE managers SET private_ip = '10.255.255.1' WHERE hostname = 'manager-1'")
    try:
        began = time.monotonic()
        absent = second.call("GET", SCRIPT)
        again = second.call("GET", SCRIPT)
        took_s = time.monotonic() - began
        sql("INSERT INTO folder_writes VALUES ('blueprints/default_tenant/hello', 'manager-1')")
        away = second.call("GET", SCRIPT)
    finally:
        address = managers[0].address
        sql("UPDATE managers SET private_ip = %s WHERE hostname = 'manager-1'", address)

    assert (absent.status_code, again.status_code) == (404, 404)
    assert took_s < 5
    assert away.status_code == 503  # it has written there just now, and may be the only one


def test_a_manager_with_a_foreign_certificate_is_not_believed(managers, sql):
    first, second = managers
    first.write("blueprints/default_tenant/hello/scripts/run.sh", b"#!/bin/sh\n")
    sql("UPDATE managers SET private_ip = 'localhost' WHERE hostname = 'manager-1'")
    try:
        assert second.call("GET", SCRIPT).status_code == 404
    finally:
        sql("UPDATE managers SET private_ip = %s WHERE hostname = 'manager-1'", first.address)


def test_managers_that_both_lack_a_file_do_not_ask_in_circles(managers):
    first, second = managers
    before, began = [file_requests(server) for server in managers], time.monotonic()

    assert first.call("GET", SCRIPT).status_code == 404

    assert time.monotonic() - began < 8  # a circle ends when the first loses patience, after 10 s
    assert file_requests(first) - before[0] == 1
    assert file_requests(second) - before[1] == 1


def test_a_script_that_no_deployment_has_costs_one_request(managers):
    """Workers look into the deployment's folder before the blueprint's, for each operation."""
    first, second = managers
    before = file_requests(second)

    path = "/resources/deployments/default_tenant/hello/scripts/run.sh"

    assert first.call("GET", path).status_code == 404
    assert file_requests(second) == before


def test_the_api_serves_the_same_tree(managers):
    server, other = managers
    server.write("blueprints/default_tenant/hello/f", b"x")
    path = "/api/v3.1/file-server-proxy/blueprints/default_tenant/hello/f"

    assert [manager.call("GET", path).content for manager in (server, other)] == [b"x", b"x"]
    assert server.call("GET", path + "g").status_code == 404
    assert server.call("GET", path, **as_user("rita")).status_code == 403
    assert server.call("GET", "/api/v3.1/file-server-proxy").status_code == 404


def test_a_blueprint_goes_in_and_out_through_nginx(managers):
    first, second = managers
    content = archive(**{"app/blueprint.yaml": b"nodes: {}"})
    parameters = {"async_upload": True, "skip_execution": True, "state": "uploaded"}

    put = first.call(
        "PUT",
        "/api/v3.1/blueprints/travels",
        data={"params": json.dumps(parameters)},
        files={"blueprint_archive": ("filename", content, "text/plain")},
    )
    chunked = first.call("PUT", "/resources/deployments/default_tenant/hello/c", data=iter([b"x"]))

    assert put.status_code == 201, put.text
    assert chunked.status_code == 200
    for server in (first, second):
        reply = server.call("GET", "/api/v3.1/blueprints/travels/archive")
        assert reply.content == content
        assert reply.headers["Content-Length"] == str(len(content))
    assert first.call("DELETE", "/api/v3.1/blueprints/travels").status_code == 204
