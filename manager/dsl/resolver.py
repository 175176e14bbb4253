"""Resolve the imports of a blueprint: our types.yaml, its own files, plugins, blueprints, URLs."""

import pickle
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit
from urllib.request import url2pathname

from cloudify.exceptions import InvalidBlueprintImport
from dsl_parser import parser, utils
from dsl_parser.exceptions import DSLParsingLogicException
from dsl_parser.holder import Holder
from dsl_parser.import_resolver.abstract_import_resolver import AbstractImportResolver

from manager.dsl.catalogue import Catalogue, CataloguePlugin, PluginImport, yaml_for_version
from manager.dsl.download import DownloadFailed, download_text
from manager.types.render import VERSIONS, types_yaml

_SPEC_HOSTS = frozenset(
    f"{prefix}{host}" for host in ("getcloudify.org", "cloudify.co") for prefix in ("", "www.")
)
_SPEC_PATH = re.compile(r"/spec/cloudify/[^/]+/types(?:_\d_\d)?\.yaml")
_RESOURCE = re.compile(r"resource:/*cloudify/types/types(?:_(\d_\d))?\.yaml")
_IMPORT_FAILED = 13  # dsl_parser's code of an import that cannot be opened


class ImportResolver(AbstractImportResolver):  # type: ignore[misc]
    """Finds what a blueprint imports.

    Files are read below `folder` only, the blueprint's own; `catalogue` has what the tenant may
    import beside. Public URLs of Cloudify's types.yaml, of any release, mean ours.
    """

    def __init__(self, folder: Path, catalogue: Catalogue | None = None) -> None:
        self._folder = folder.resolve()
        self._catalogue = catalogue
        self._sources: dict[str, Callable[[str, str | None], Any]] = {
            "file": self._file,
            "resource": self._resource,
            "http": self._url,
            "https": self._url,
            "plugin": self._plugin_yaml,
            "blueprint": self._blueprint,
        }

    def fetch_import(self, import_url: str, dsl_version: str | None = None, **_: Any) -> Any:
        """Return the text of an import, or its parsed form, for a DSL version such as `1_3`."""
        source = self._sources.get(import_url.partition(":")[0])
        if source is None:
            _fail(import_url, "it is no file of the blueprint and no http, https, plugin: or"
                  " blueprint: import")  # fmt: skip
        return source(import_url, dsl_version)

    def resolve(self, import_url: str) -> Any:
        """Return the text of an import, whatever the DSL version."""
        return self.fetch_import(import_url)

    def retrieve_plugin(
        self, import_url: str, dsl_version: str | None = None, **_: Any
    ) -> dict[str, Any]:
        """Return the labels and tags of an imported plugin; raises InvalidBlueprintImport else."""
        if not import_url.startswith("plugin:"):
            raise InvalidBlueprintImport(f"{import_url} is no plugin")
        return dict(self._plugin(import_url).metadata)

    def _file(self, url: str, _: str | None) -> str:
        path = Path(url2pathname(url.removeprefix("file:").removeprefix("//"))).resolve()
        if not path.is_relative_to(self._folder):
            _fail(url, "only files of the blueprint can be imported")
        try:
            return path.read_text()
        except (OSError, UnicodeDecodeError, ValueError) as error:
            _fail(url, str(error))

    def _resource(self, url: str, dsl_version: str | None) -> Holder:
        match = _RESOURCE.fullmatch(url)
        if match is None or (match[1] or VERSIONS[0]) not in VERSIONS:
            _fail(url, "there is no such file in the blueprint")
        return _types(match[1] or dsl_version)

    def _url(self, url: str, dsl_version: str | None) -> Any:
        parts = urlsplit(url)
        if parts.hostname in _SPEC_HOSTS and _SPEC_PATH.fullmatch(parts.path):
            return _types(dsl_version)
        try:
            return download_text(url)
        except DownloadFailed as error:
            _fail(url, str(error))

    def _plugin_yaml(self, url: str, dsl_version: str | None) -> str:
        path = yaml_for_version(self._plugin(url).yaml_paths, dsl_version)
        return (self._catalogue.file(path) if self._catalogue else path).read_text()

    def _plugin(self, url: str) -> CataloguePlugin:
        wanted = PluginImport.parse(url)
        return wanted.newest(
            self._catalogue.plugins(wanted.package_name) if self._catalogue else ()
        )

    def _blueprint(self, url: str, _: str | None) -> Any:
        blueprint_id = url.removeprefix("blueprint:").strip()
        path = self._catalogue.blueprint(blueprint_id) if self._catalogue else None
        if path is None:
            raise InvalidBlueprintImport(
                f"Requested blueprint import `{blueprint_id}` was not found, please first upload"
                " the blueprint with that id."
            )
        return parser.parse_from_import_blueprint(
            dsl_string=path.read_text(),
            dsl_location=str(path),
            resources_base_path=None,
            resolver=ImportResolver(path.parent, self._catalogue),
        )


def _types(dsl_version: str | None) -> Holder:
    """Return types.yaml as the parser holds it: a fresh copy, since it marks what it merges."""
    version = dsl_version if dsl_version in VERSIONS else VERSIONS[-1]
    holder: Holder = pickle.loads(_pickled_types(version))  # noqa: S301 - made here
    return holder


@cache
def _pickled_types(version: str) -> bytes:
    """Return types.yaml parsed once: to unpickle it takes a tenth of the time to parse it."""
    name = f"cloudify/types/types_{version}.yaml"
    holder = utils.load_yaml(types_yaml(version), f"Failed to parse {name}", filename=name)
    return pickle.dumps(holder, pickle.HIGHEST_PROTOCOL)


def _fail(url: str, reason: str) -> NoReturn:
    error = DSLParsingLogicException(
        _IMPORT_FAILED, f"Import failed: Unable to open import url {url}; {reason}"
    )
    error.failed_import = url
    raise error
