"""Archives for tests, hostile ones included."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def tar(path: Path, files: Mapping[str, bytes], mode: Any = "w:gz") -> Path:
    """Write a tar of plain files."""
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            add(archive, name, content)
    return path


def add(archive: tarfile.TarFile, name: str, content: bytes = b"", **fields: Any) -> None:
    """Add an entry whose header says whatever `fields` say."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    archive.addfile(info, io.BytesIO(content))


def zipped(path: Path, files: Mapping[str, bytes], mode: int = 0) -> Path:
    """Write a zip file whose entries have a mode."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


ZIP_LINK = stat.S_IFLNK | 0o777
ZIP_DEVICE = stat.S_IFCHR | 0o666
