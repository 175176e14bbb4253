"""A plugin as `cfy plugins upload` sends it: a zip of a wagon and its plugin.yaml."""

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping

PLUGIN_YAML = """
plugins:
  tplug:
    executor: central_deployment_agent
    package_name: cloudify-tplug
    package_version: '{version}'
blueprint_labels:
  kind: {{values: [a, b]}}
"""


def wagon(version: str = "1.0.0", **changes: object) -> bytes:
    """Return a wagon without wheels."""
    metadata = {
        "package_name": "cloudify-tplug",
        "package_version": version,
        "package_source": "../tplug",
        "supported_platform": "any",
        "supported_python_versions": ["py311"],
        "wheels": [f"cloudify_tplug-{version}-py3-none-any.whl"],
        **changes,
    }
    return tar({"cloudify-tplug/package.json": json.dumps(metadata).encode()})


def tar(files: Mapping[str, bytes]) -> bytes:
    """Return a tar.gz of files, the same whenever it is made."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def plugin_zip(version: str = "1.0.0", /, **files: bytes | None) -> bytes:
    """Return the upload; further files by name, None leaves one out."""
    contents: dict[str, bytes | None] = {
        f"cloudify_tplug-{version}-py311-none-any.wgn": wagon(version),
        "plugin.yaml": PLUGIN_YAML.format(version=version).encode(),
        **files,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in contents.items():
            if content is not None:
                archive.writestr(name, content)
    return buffer.getvalue()
