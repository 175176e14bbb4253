import http.server
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from cloudify.exceptions import InvalidBlueprintImport
from dsl_parser.elements.imports import _get_resource_location
from dsl_parser.exceptions import DSLParsingLogicException

from manager.dsl import download
from manager.dsl.catalogue import CataloguePlugin
from manager.dsl.parse import InvalidBlueprint, parse_blueprint
from manager.dsl.resolver import ImportResolver
from manager.types.render import VERSIONS

NODE = "node_templates: {app: {type: cloudify.nodes.Root}}\n"


class Shelf:
    """A catalogue in memory."""

    def __init__(self, plugins=(), blueprints=None):
        self._plugins, self._blueprints = plugins, blueprints or {}

    def plugins(self, package_name):
        return [plugin for name, plugin in self._plugins if name == package_name]

    def blueprint(self, blueprint_id):
        return self._blueprints.get(blueprint_id)

    def file(self, path):
        return path


def blueprint(folder, imports, version="1_3", body=NODE):
    folder.mkdir(exist_ok=True)
    path = folder / "blueprint.yaml"
    path.write_text(
        f"tosca_definitions_version: cloudify_dsl_{version}\nimports: {list(imports)}\n{body}"
    )
    return path


def uploaded(folder, version, text, name="cloudify-tplug", distribution=None, **metadata):
    path = folder / f"plugin-{version}.yaml"
    path.write_text(text)
    plugin = CataloguePlugin(
        package_version=version,
        distribution=distribution,
        yaml_paths=(path,),
        metadata=metadata,
    )
    return name, plugin


def plugin_text(version):
    return (
        "plugins: {tplug: {executor: central_deployment_agent, package_name: cloudify-tplug,"
        f" package_version: '{version}'}}}}\n"
    )


@pytest.mark.parametrize(
    "url",
    [
        "cloudify/types/types.yaml",
        "http://www.getcloudify.org/spec/cloudify/7.1.0.dev1/types.yaml",
        "https://getcloudify.org/spec/cloudify/4.0/types.yaml",
        "https://cloudify.co/spec/cloudify/5.0.5/types.yaml",
        "https://www.cloudify.co/spec/cloudify/6.3.0/types.yaml",
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_cloudify_s_public_urls_mean_our_types(tmp_path, url, version):
    location = next(_get_resource_location(url, None, dsl_version=version))

    types = ImportResolver(tmp_path).fetch_import(location, dsl_version=version)

    assert types["tosca_definitions_version"].value == f"cloudify_dsl_{version}"


@pytest.mark.parametrize(
    "url",
    [
        "https://getcloudify.org.evil.example/spec/cloudify/4.0/types.yaml",
        "https://getcloudify.org/spec/other/types.yaml",
    ],
)
def test_other_urls_are_fetched(tmp_path, url, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "manager.dsl.resolver.download_text", lambda url: asked.append(url) or "node_types: {}"
    )

    ImportResolver(tmp_path).fetch_import(url)

    assert asked == [url]


def test_a_file_of_the_blueprint_is_imported(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more/types.yaml").write_text("node_types: {mine: {}}\nimports: [beside.yaml]\n")
    (tmp_path / "more/beside.yaml").write_text("node_types: {other: {}}\n")
    path = blueprint(tmp_path, ["more/types.yaml"], body="node_templates: {a: {type: other}}\n")

    assert parse_blueprint(path)["nodes"][0]["type"] == "other"


ESCAPES = [
    "/etc/passwd",
    "file:///etc/passwd",
    "file:/etc/passwd",
    "../secret.yaml",
    "more/../../secret.yaml",
    "link.yaml",
    "file://localhost/etc/passwd",
    "resource:../../../etc/passwd",
    "resource:blueprints/other_tenant/theirs/blueprint.yaml",
    "ftp://example.com/types.yaml",
]


@pytest.mark.parametrize("escape", ESCAPES)
def test_nothing_outside_of_the_blueprint_is_read(tmp_path, escape):
    folder = tmp_path / "bp"
    (tmp_path / "secret.yaml").write_text("node_types: {mine: {}}\n")
    path = blueprint(folder, [escape], body="node_templates: {}\n")
    (folder / "link.yaml").symlink_to(tmp_path / "secret.yaml")

    with pytest.raises(InvalidBlueprint, match="Import failed"):
        parse_blueprint(path)


def test_nothing_of_the_process_s_own_folder_is_read(tmp_path, monkeypatch):
    (tmp_path / "here.yaml").write_text("node_types: {mine: {}}\n")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InvalidBlueprint, match="Import failed"):
        parse_blueprint(blueprint(tmp_path / "bp", ["here.yaml"]))


def test_the_newest_plugin_that_fits_is_imported(tmp_path):
    plugins = [uploaded(tmp_path, v, plugin_text(v)) for v in ("1.0.0", "1.10.0", "1.9.0", "2.0")]
    path = blueprint(tmp_path / "bp", ["plugin:cloudify-tplug?version=>=1.0,<2"], body="")

    plan = parse_blueprint(path, Shelf(plugins))

    assert plan["version"]["definitions_version"] == (1, 3)
    resolver = ImportResolver(tmp_path, Shelf(plugins))
    assert "1.10.0" in resolver.fetch_import("plugin:cloudify-tplug?version=>=1.0,<2")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "2.0"),
        ("?version=1.9.0", "1.9.0"),
        ("?version=1.9.0&distribution=None", "1.9.0"),
        ("?version=<1.9.0", "1.0.0"),
        ("?distribution=centos", "0.5"),
    ],
)
def test_a_plugin_is_chosen_by_version_and_distribution(tmp_path, query, found):
    plugins = [uploaded(tmp_path, v, plugin_text(v)) for v in ("1.0.0", "1.9.0", "2.0")]
    plugins.append(uploaded(tmp_path, "0.5", plugin_text("0.5"), distribution="centos"))

    text = ImportResolver(tmp_path, Shelf(plugins)).fetch_import(f"plugin:cloudify-tplug{query}")

    assert f"'{found}'" in text


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("absent", 'Couldn\'t find plugin "absent"'),
        ("cloudify-tplug?version=3", 'Couldn\'t find plugin "cloudify-tplug" with version ===3'),
        ("cloudify-tplug?version=>=x", "is invalid: '>=x'"),
        ("cloudify-tplug?colour=red", "invalid parameter colour"),
    ],
)
def test_a_plugin_that_is_not_there_is_named(tmp_path, spec, message):
    shelf = Shelf([uploaded(tmp_path, "1.0", plugin_text("1.0"))])

    with pytest.raises(InvalidBlueprintImport) as caught:
        ImportResolver(tmp_path, shelf).fetch_import(f"plugin:{spec}")
    assert message in str(caught.value)


def test_a_plugin_s_yaml_is_chosen_by_dsl_version(tmp_path):
    paths = tuple(tmp_path / name for name in ("plugin.yaml", "plugin_1_4.yaml"))
    for path in paths:
        path.write_text(f"description: {path.name}\n")
    plugin = CataloguePlugin(package_version="1.0", distribution=None, yaml_paths=paths)
    resolver = ImportResolver(tmp_path, Shelf([("p", plugin)]))

    assert "plugin_1_4.yaml" in resolver.fetch_import("plugin:p", dsl_version="1_4")
    assert "plugin.yaml" in resolver.fetch_import("plugin:p", dsl_version="1_3")


def test_labels_of_a_plugin_come_from_its_upload(tmp_path):
    text = plugin_text("1.0") + "labels: {written: {values: [by-author]}}\n"
    shelf = Shelf([uploaded(tmp_path, "1.0", text, labels={"obj-type": ["aws"]})])

    plan = parse_blueprint(
        blueprint(tmp_path / "bp", ["cloudify/types/types.yaml", "plugin:cloudify-tplug"]), shelf
    )

    assert plan["labels"] == {"obj-type": {"values": ["aws"]}}


def test_an_uploaded_blueprint_is_imported_into_a_namespace(tmp_path):
    types = "cloudify/types/types.yaml"
    base = blueprint(tmp_path / "base", [types])
    path = blueprint(tmp_path / "top", [types, "b--blueprint:base"], body="")

    plan = parse_blueprint(path, Shelf(blueprints={"base": base}))

    assert [node["id"] for node in plan["nodes"]] == ["b--app"]
    assert plan["imported_blueprints"] == ["base"]


def test_an_imported_blueprint_reads_only_its_own_files(tmp_path):
    base = blueprint(tmp_path / "base", ["../top/mine.yaml"])
    path = blueprint(tmp_path / "top", ["b--blueprint:base"], body="")
    (tmp_path / "top/mine.yaml").write_text("node_types: {mine: {}}\n")

    with pytest.raises(InvalidBlueprint, match="Import failed"):
        parse_blueprint(path, Shelf(blueprints={"base": base}))


def test_a_blueprint_that_is_not_there_is_named(tmp_path):
    path = blueprint(tmp_path, ["b--blueprint:absent"], body="")

    with pytest.raises(InvalidBlueprint, match="blueprint import `absent` was not found"):
        parse_blueprint(path, Shelf())


@contextmanager
def server(*replies):
    """Serve each reply once, the last for ever; yields the URL and the paths asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            status, body = replies[min(len(asked), len(replies)) - 1]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_port}/types.yaml", asked
        finally:
            listener.shutdown()
            thread.join()


def test_a_url_is_imported(tmp_path):
    with server((200, b"node_types: {mine: {}}")) as (url, _):
        path = blueprint(tmp_path, [url], body="node_templates: {a: {type: mine}}\n")

        assert parse_blueprint(path)["nodes"][0]["type"] == "mine"


def test_a_failing_server_is_asked_again():
    with server((503, b""), (200, b"x: 1")) as (url, asked):
        assert download.download_text(url) == "x: 1"
        assert len(asked) == 2


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, b"", "status code: 404"),
        (200, b"x" * 2000, "larger than 1000 bytes"),
        (200, b"\xff\xfe", "not UTF-8"),
    ],
)
def test_what_cannot_be_imported_by_url_is_explained(monkeypatch, status, body, message):
    monkeypatch.setattr(download, "MAX_BYTES", 1000)

    with server((status, body)) as (url, _), pytest.raises(DSLParsingLogicException, match=message):
        ImportResolver(Path()).fetch_import(url)


def test_a_trickling_server_is_left(monkeypatch):
    monkeypatch.setattr(download, "TOTAL_TIMEOUT_S", -1)

    with (
        server((200, b"x: 1")) as (url, _),
        pytest.raises(download.DownloadFailed, match="took longer"),
    ):
        download.download_text(url)
