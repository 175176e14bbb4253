"""Prove that a bundle is whole: every file, every role's packages, every environment's wheels."""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from installer.bundle.apt import AptRoot, local_source
from installer.bundle.cache import file_digest
from installer.bundle.catalogue import ENVIRONMENTS, Environment, release_named, with_postgresql
from installer.bundle.control import status_text
from installer.bundle.lock import Lock
from installer.bundle.model import Bundle
from installer.bundle.wheels import pinned_again, run_uv, target_words
from installer.errors import PreflightError, Problem

_POSTGRESQL = re.compile(r"postgresql-(\d+)")
_REMEDY = "build the bundle again: `cfy_manager bundle build`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was checked, and what is wrong with it."""

    name: str
    detail: str
    problems: tuple[Problem, ...] = ()


def verify_bundle(bundle: Bundle) -> Iterator[Check]:
    """Yield one check after the other; files come first, for the rest builds on them."""
    broken = tuple(_file_problems(bundle))
    size = sum(file.size for file in bundle.files) / 1e6
    yield Check(name="files", detail=f"{len(bundle.files)} files, {size:.0f} MB", problems=broken)
    if broken:
        return
    if bundle.has_packages:
        yield from _role_checks(bundle)
    for environment in ENVIRONMENTS:
        yield _environment_check(bundle, environment)


def _file_problems(bundle: Bundle) -> Iterator[Problem]:
    for file in bundle.files:
        path = bundle.path / file.path
        if not path.is_file():
            yield Problem(where=str(path), what="the file is missing", remedy=_REMEDY)
        elif file_digest(path) != file.sha256:
            what = f"the content is another than its SHA-256 {file.sha256[:16]}… says"
            yield Problem(where=str(path), what=what, remedy=_REMEDY)


def _role_checks(bundle: Bundle) -> Iterator[Check]:
    """Install each role, and each set of roles, on the smallest host; only in apt's mind."""
    lock = bundle.lock
    roles = _roles(lock)
    with tempfile.TemporaryDirectory(prefix="cfy_manager-") as folder:
        apt = AptRoot(Path(folder), local_source(bundle.path / "apt"), lock.architecture)
        apt.update()
        apt.install_base([status_text(lock.base)])
        for count in range(1, len(roles) + 1):
            for chosen in combinations(roles, count):
                check = _role_check(apt, lock, {role: roles[role] for role in chosen})
                if count == 1 or check.problems:
                    yield check


def _roles(lock: Lock) -> Mapping[str, Sequence[str]]:
    """Return each role's packages, with every major version of PostgreSQL that is in the bundle."""
    majors = (int(m.group(1)) for p in lock.packages if (m := _POSTGRESQL.fullmatch(p.name)))
    return with_postgresql(release_named(lock.release), majors).roles


def _role_check(apt: AptRoot, lock: Lock, chosen: Mapping[str, Sequence[str]]) -> Check:
    wanted = [name for names in chosen.values() for name in names]
    name = f"packages of {' + '.join(chosen)}"
    sent = [p for p in lock.packages if set(chosen) & set(p.roles)]
    try:
        brought = apt.simulate(wanted)
    except PreflightError as error:
        return Check(name=name, detail="apt cannot install them", problems=error.problems)
    strangers = sorted(set(brought) - {package.name for package in sent})
    size = sum(package.size for package in sent) / 1e6
    detail = f"{len(brought)} to install, {len(sent)} in the bundle, {size:.0f} MB"
    if not strangers:
        return Check(name=name, detail=detail)
    what = f"apt would take packages that nodes of this role do not get: {', '.join(strangers)}"
    return Check(
        name=name, detail=detail, problems=(Problem(where=name, what=what, remedy=_REMEDY),)
    )


def _environment_check(bundle: Bundle, environment: Environment) -> Check:
    """Let uv resolve the pinned wheels, with their dependencies, from the bundle alone."""
    lock = bundle.lock
    wheels = lock.wheels_for(environment.name)
    name = f"wheels of {environment.name}"
    detail = f"{len(wheels)} wheels, {sum(wheel.size for wheel in wheels) / 1e6:.0f} MB"
    words = (
        *("--dry-run", "--offline", "--no-index", "--require-hashes", "--only-binary", ":all:"),
        *("--find-links", str(bundle.path / "wheels"), "-r", "-"),
        *target_words(release_named(lock.release), lock.architecture),
    )
    with tempfile.TemporaryDirectory(prefix="cfy_manager-") as folder:
        try:
            run_uv(["install", "--target", folder, *words], pinned_again(wheels))
        except PreflightError as error:
            return Check(name=name, detail=detail, problems=error.problems)
    return Check(name=name, detail=detail)
