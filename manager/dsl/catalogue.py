"""What imports may refer to beside files: plugins and blueprints that a tenant can read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl

from cloudify.exceptions import InvalidBlueprintImport
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class CataloguePlugin:
    """An uploaded plugin: `metadata` has the labels and tags that its uploader gave it."""

    package_version: str | None
    distribution: str | None
    yaml_paths: tuple[Path, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Catalogue(Protocol):
    """Finds plugins and blueprints as one user of one tenant may read them."""

    def plugins(self, package_name: str) -> Sequence[CataloguePlugin]:
        """Return all uploaded versions of a plugin."""

    def blueprint(self, blueprint_id: str) -> Path | None:
        """Return the main file of an uploaded blueprint, or None."""

    def file(self, path: Path) -> Path:
        """Return a plugin's file, which may have to be fetched first."""


@dataclass(frozen=True, slots=True)
class PluginImport:
    """What `plugin:name?version=>=1.0,<2&distribution=centos` asks for."""

    package_name: str
    versions: SpecifierSet
    distribution: str | None

    @classmethod
    def parse(cls, url: str) -> "PluginImport":
        """Return what an import asks for; raises InvalidBlueprintImport."""
        name, _, query = url.removeprefix("plugin:").strip().partition("?")
        versions, distribution = SpecifierSet(), None
        for key, value in parse_qsl(query, keep_blank_values=True):
            if key == "version":
                versions &= _specifiers(name, value)
            elif key == "distribution":
                distribution = None if value in ("", "None") else value
            else:
                raise InvalidBlueprintImport(
                    f"Error parsing spec for plugin {name}: invalid parameter {key}"
                )
        return cls(name, versions, distribution)

    def newest(self, plugins: Sequence[CataloguePlugin]) -> CataloguePlugin:
        """Return the newest of the plugins that fit; raises InvalidBlueprintImport for none."""
        fitting = [plugin for plugin in plugins if self._fits(plugin)]
        if not fitting:
            wanted = f" with version {self.versions}" if self.versions else ""
            raise InvalidBlueprintImport(
                f'Couldn\'t find plugin "{self.package_name}"{wanted}: upload it first, with'
                " `cfy plugins upload`"
            )
        return max(fitting, key=lambda plugin: _version(plugin) or Version("0.dev0"))

    def _fits(self, plugin: CataloguePlugin) -> bool:
        if self.distribution and plugin.distribution != self.distribution:
            return False
        version = _version(plugin)
        if version is None:  # what is no version can only be asked for by its very text
            return not self.versions or str(self.versions) == f"==={plugin.package_version}"
        return self.versions.contains(version, prereleases=True)


def yaml_for_version(paths: Sequence[Path], dsl_version: str | None) -> Path:
    """Return the plugin.yaml for a DSL version such as `1_4`: its own, or else the general one."""
    for path in paths:
        if dsl_version and path.stem.endswith(f"_{dsl_version}"):
            return path
    general = [path for path in paths if not re.search(r"_\d_\d+$", path.stem)]
    if not paths:
        raise InvalidBlueprintImport("The plugin has no plugin.yaml")
    return min(general) if general else max(paths)


def _specifiers(name: str, text: str) -> SpecifierSet:
    specifiers = SpecifierSet()
    for part in text.split(","):
        try:
            specifiers &= SpecifierSet(part if part[:1] in tuple("<>=!~") else f"==={part}")
        except InvalidSpecifier as error:
            raise InvalidBlueprintImport(
                f"Specified version param {text} of the plugin {name} is invalid: {part!r} is"
                " neither a version nor a comparison such as >=1.2"
            ) from error
    return specifiers


def _version(plugin: CataloguePlugin) -> Version | None:
    try:
        return Version(plugin.package_version or "")
    except InvalidVersion:
        return None
