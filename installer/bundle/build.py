"""Lay a bundle out from the cache: repository, wheels, environments, lock and list of files."""

import hashlib
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from installer.bundle.cache import Cache, default_cache, file_digest
from installer.bundle.catalogue import (
    ENVIRONMENTS,
    ROLES,
    Environment,
    release_named,
    with_postgresql,
)
from installer.bundle.environment import RECIPE, Compiler, EnvironmentWriter
from installer.bundle.fetch import fetch_archives
from installer.bundle.interpreter import Interpreter
from installer.bundle.lock import Lock, dump_lock, load_lock
from installer.bundle.model import (
    LOCK_FILE,
    MANIFEST_FILE,
    SETUP_FILE,
    Bundle,
    BundledFile,
    dependencies_file,
    dump_manifest,
    load_bundle,
    project_file,
)
from installer.bundle.project import build_wheel, source_digest, source_folder
from installer.bundle.repository import packages_index, release_file
from installer.bundle.resolution import Say, Target, current_lock, lock_path, make_lock
from installer.bundle.use import setup_script
from installer.errors import PreflightError, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How to build; `lock_file` replaces the cache's own lock."""

    with_packages: bool = True
    postgresql: tuple[int, ...] = ()  # major versions beside the release's own
    lock_file: Path | None = None
    cache: Cache | None = None
    say: Say = lambda text: None


def build_bundle(codename: str, options: BuildOptions | None = None) -> Bundle:
    """Return the bundle for a Debian release; made only if it is not in the cache yet."""
    options = options or BuildOptions()
    cache = options.cache or default_cache()
    with cache.alone():
        lock = _chosen_lock(codename, options, cache)
        source = source_folder()
        name = _name(lock, source_digest(source))
        if (cache.bundles / name).exists():
            (cache.bundles / name).touch()  # the bundle used last is kept longest
            return load_bundle(cache.bundles / name)
        fetch_archives(lock, cache, options.say)
        options.say("Laying the bundle out")
        with cache.workspace() as folder:
            wheel = build_wheel(source, folder / "wheel")
            _lay_out(folder / "bundle", lock, wheel, cache)
            return load_bundle(cache.finish(folder / "bundle", name))


def find_bundle(codename: str, options: BuildOptions | None = None) -> Bundle:
    """Return the bundle that `build_bundle` last made for these wishes and this source.

    Nothing is built or fetched. Raises PreflightError when there is none.
    """
    options = options or BuildOptions()
    cache = options.cache or default_cache()
    kept = lock_path(_target(codename, options), cache)
    lock_file = options.lock_file or (kept if kept.exists() else None)
    if lock_file is not None:
        path = cache.bundles / _name(load_lock(lock_file), source_digest(source_folder()))
        if path.exists():
            return load_bundle(path)
    raise PreflightError(
        Problem(
            where=str(cache.bundles),
            what=f"there is no bundle for {codename} of this source yet",
            remedy=f"build it: cfy_manager bundle build --release {codename}",
        )
    )


def refresh_lock(codename: str, options: BuildOptions | None = None) -> Lock:
    """Choose versions anew: the way that security updates come into a bundle."""
    options = options or BuildOptions()
    cache = options.cache or default_cache()
    with cache.alone():
        return make_lock(_target(codename, options), cache, options.say)


def _target(codename: str, options: BuildOptions) -> Target:
    return Target(
        release=with_postgresql(release_named(codename), options.postgresql),
        architecture="arm64" if platform.machine() == "aarch64" else "amd64",
        with_packages=options.with_packages,
    )


def _chosen_lock(codename: str, options: BuildOptions, cache: Cache) -> Lock:
    if options.lock_file is not None:
        return load_lock(options.lock_file)
    return current_lock(_target(codename, options), cache, options.say)


def _name(lock: Lock, source: str) -> str:
    digest = hashlib.sha256(f"{lock.digest()} {source}".encode()).hexdigest()
    return f"{lock.release}-{digest[:16]}"


def _lay_out(folder: Path, lock: Lock, wheel: Path, cache: Cache) -> None:
    folder.mkdir()
    wheels = _wheels(folder, lock, wheel, cache)
    with _compiler(lock, cache) as compiler:
        project = folder / "wheels" / wheel.name
        environments = _environments(folder, lock, project, _Workshop(cache, compiler))
    digests = {file.path: file.sha256 for file in environments}
    files = [
        *_packages(folder, lock, cache),
        *wheels,
        *environments,
        _text(folder, LOCK_FILE, dump_lock(lock), ROLES),
        _text(folder, SETUP_FILE, setup_script(digests.__getitem__).decode(), ROLES),
    ]
    (folder / SETUP_FILE).chmod(0o755)
    (folder / MANIFEST_FILE).write_text(dump_manifest(files))


def _packages(folder: Path, lock: Lock, cache: Cache) -> list[BundledFile]:
    if not lock.packages:
        return []
    index = packages_index(lock.packages)
    files = [
        _text(folder, "apt/Packages", index, ROLES),
        _text(folder, "apt/Release", release_file(index, lock.release), ROLES),
    ]
    for package in lock.packages:
        path = f"apt/pool/{package.file}"
        files.append(_placed(folder, path, package.sha256, package.roles, cache))
    return files


def _wheels(folder: Path, lock: Lock, project: Path, cache: Cache) -> list[BundledFile]:
    digests = {wheel.file: wheel.sha256 for wheel in lock.wheels}
    digests[project.name] = cache.adopt(project)
    return [
        _placed(folder, f"wheels/{name}", digest, (), cache) for name, digest in digests.items()
    ]


@dataclass(frozen=True, slots=True)
class _Workshop:
    """What environments are made with."""

    cache: Cache
    compiler: Compiler | None

    def writer(self, lock: Lock, environment: Environment) -> EnvironmentWriter:
        return EnvironmentWriter(
            environment=environment, release=release_named(lock.release), compiler=self.compiler
        )


@contextmanager
def _compiler(lock: Lock, cache: Cache) -> Iterator[Compiler | None]:
    """Yield what compiles for the release; without its packages nodes compile by themselves."""
    if not lock.interpreter:
        yield None
        return
    with cache.workspace() as folder:
        archives = [cache.archive(package.sha256) for package in lock.interpreter]
        yield Interpreter(folder, archives, release_named(lock.release))


def _environments(
    folder: Path, lock: Lock, project: Path, workshop: _Workshop
) -> list[BundledFile]:
    """Make both archives of each environment; the large one only if its wheels changed."""
    files = []
    for environment in ENVIRONMENTS:
        large = _dependencies(lock, environment, workshop)
        path = dependencies_file(environment.name)
        files.append(_placed(folder, path, large, environment.roles, workshop.cache))
        path = project_file(environment.name)
        workshop.writer(lock, environment).write_addition(folder / path, project)
        files.append(_described(folder, path, environment.roles))
    return files


def _dependencies(lock: Lock, environment: Environment, workshop: _Workshop) -> str:
    cache = workshop.cache
    wheels = [wheel.sha256 for wheel in lock.wheels_for(environment.name)]
    interpreter = [package.sha256 for package in lock.interpreter]
    known = repr((environment, lock.release, wheels, interpreter, RECIPE))
    key = hashlib.sha256(known.encode()).hexdigest()
    made = cache.recall(key)
    if made is None:
        with cache.workspace() as folder:
            archive = folder / "environment.tar"
            writer = workshop.writer(lock, environment)
            writer.write_environment(archive, map(cache.archive, wheels))
            made = cache.adopt(archive)
        cache.remember(key, made)
    return made


def _placed(
    folder: Path, path: str, sha256: str, roles: Iterable[str], cache: Cache
) -> BundledFile:
    cache.place(sha256, folder / path)
    size = (folder / path).stat().st_size
    return BundledFile(path=path, sha256=sha256, size=size, roles=tuple(roles))


def _text(folder: Path, path: str, content: str, roles: Iterable[str]) -> BundledFile:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(content)
    return _described(folder, path, roles)


def _described(folder: Path, path: str, roles: Iterable[str]) -> BundledFile:
    size = (folder / path).stat().st_size
    return BundledFile(path=path, sha256=file_digest(folder / path), size=size, roles=tuple(roles))
