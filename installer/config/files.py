"""Check that the files which a configuration names are there and can be read."""

from collections.abc import Iterator
from pathlib import Path

from installer.config.model import Document
from installer.config.schema import config_schema, leaves
from installer.config.source import Finding, KeyPath

# files that are read during an installation; mgmtworker.resources_root is made by it
_NOT_READ = ("resources_root",)


def named_files(document: Document) -> Iterator[tuple[KeyPath, Path]]:
    """Yield key path and path of each file that a configuration names."""
    for path, value, field in leaves(document, config_schema()):
        if field.get("format") == "absolute-path" and value and path[-1] not in _NOT_READ:
            yield path, Path(value)


def file_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each file that is not there or cannot be read."""
    for key_path, path in named_files(document):
        try:
            path.stat()
        except OSError as error:
            what = f"{path} cannot be read: {error.strerror}"
            remedy = "correct the path, or put the file there"
            yield Finding(key_path, what, remedy, "file-unreadable")
