"""Small wheels, packages and locks, from which tests build bundles without a network."""

import hashlib
import zipfile
from pathlib import Path

from installer.bundle.cache import Cache
from installer.bundle.lock import Lock, LockedPackage, LockedWheel


def write_wheel(folder: Path, name: str, files: dict[str, str | bytes], version="1.0") -> Path:
    """Write a wheel with these files and the metadata that every wheel has."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
        **files,
    }
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, content in files.items():
            wheel.writestr(member, content)
    return path


def control(name: str, version: str = "1.0", **fields: str) -> dict[str, str]:
    """Return a package's control data."""
    named = {key.replace("_", "-").title(): value for key, value in fields.items()}
    return {"Package": name, "Version": version, "Architecture": "all", **named}


def locked_package(name: str, *roles: str, content: bytes | None = None, **fields: str):
    """Return a locked package whose archive has this content."""
    content = name.encode() if content is None else content
    return LockedPackage(
        name=name,
        version="1.0",
        architecture="all",
        file=f"{name}_1.0_all.deb",
        uri=f"http://mirror.invalid/{name}_1.0_all.deb",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        roles=roles,
        control=control(name, **fields),
    )


def locked_wheel(path: Path, *environments: str) -> LockedWheel:
    """Return the wheel of a file as a lock has it."""
    name, version, _ = path.name.split("-", 2)
    return LockedWheel(
        name=name,
        version=version,
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        size=path.stat().st_size,
        environments=environments,
    )


def lock_of(packages=(), wheels=(), base=()) -> Lock:
    """Return a lock for trixie."""
    return Lock(
        release="trixie",
        architecture="amd64",
        packages=tuple(packages),
        wheels=tuple(wheels),
        base=tuple(base),
    )


def fill(cache: Cache, packages=(), wheels=()) -> None:
    """Put the archives of packages (named after their content) and wheels into the cache."""
    with cache.alone(), cache.workspace() as folder:
        for package in packages:
            (folder / "deb").write_bytes(package.name.encode())
            cache.adopt(folder / "deb")
        for wheel in wheels:
            (folder / wheel.name).write_bytes(wheel.read_bytes())
            cache.adopt(folder / wheel.name)
