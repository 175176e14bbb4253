"""Where things lie in the file tree."""

from dataclasses import dataclass
from pathlib import Path

from manager.files.names import MAX_NAME_BYTES, safe_name

BLUEPRINTS = "blueprints"
ARCHIVES = "uploaded-blueprints"
DEPLOYMENTS = "deployments"
PLUGINS = "plugins"
SNAPSHOTS = "snapshots"
TENANT_RESOURCES = "tenant-resources"

INCOMING = ".incoming"  # of this manager alone: replication leaves it out
FILE_MODE, PROGRAM_MODE, FOLDER_MODE = 0o644, 0o755, 0o755
FORMATS = ("zip", "tar", "tar.gz", "tar.bz2")
MAX_ID_BYTES = MAX_NAME_BYTES - len(".tar.bz2")  # an archive is named for its blueprint


@dataclass(frozen=True, slots=True)
class FileTree:
    """The tree below `root`; the web server may enter `root`, and below it everything is open."""

    root: Path

    @property
    def incoming(self) -> Path:
        """Return the folder of what is not complete yet, on the same file system."""
        return self.root / INCOMING

    def blueprint(self, tenant: str, blueprint_id: str) -> Path:
        """Return the folder of an unpacked blueprint."""
        return self._owned(BLUEPRINTS, tenant, blueprint_id)

    def archives(self, tenant: str, blueprint_id: str) -> Path:
        """Return the folder of a blueprint's archive."""
        return self._owned(ARCHIVES, tenant, blueprint_id)

    def archive(self, tenant: str, blueprint_id: str) -> Path | None:
        """Return a blueprint's archive, or None when this manager lacks it."""
        folder = self.archives(tenant, blueprint_id)
        paths = (folder / f"{blueprint_id}.{name}" for name in FORMATS)
        return next((path for path in paths if path.is_file()), None)

    def deployment(self, tenant: str, deployment_id: str) -> Path:
        """Return the folder of a deployment's own files."""
        return self._owned(DEPLOYMENTS, tenant, deployment_id)

    def plugin(self, plugin_id: str) -> Path:
        """Return the folder of a plugin."""
        return self.root / PLUGINS / safe_name(plugin_id)

    def relative(self, path: Path) -> str:
        """Return a path of the tree as its URL below /resources has it."""
        return path.relative_to(self.root).as_posix()

    def _owned(self, kind: str, tenant: str, name: str) -> Path:
        return self.root / kind / safe_name(tenant) / safe_name(name)
