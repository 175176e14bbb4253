"""Which Debian packages each role needs beyond the smallest host that can be a node."""

from collections.abc import Iterable, Mapping

from installer.bundle.apt import AptRoot, Archive
from installer.bundle.catalogue import Release
from installer.bundle.control import (
    Stanza,
    came_by_update,
    essence,
    exact_names,
    minimum_names,
    status_text,
)
from installer.bundle.lock import LockedPackage


def base_stanzas(apt: AptRoot, release: Release) -> tuple[Stanza, ...]:
    """Return the packages of the smallest host: what Debian requires, systemd, SSH, Python."""
    apt.install_base([])
    wanted = sorted(apt.required_names(release.codename) | {"apt", *release.host})
    return tuple(essence(stanza) for stanza in apt.show(apt.simulate(wanted)))


def locked_packages(
    apt: AptRoot, release: Release, base: Iterable[Stanza]
) -> tuple[LockedPackage, ...]:
    """Return the closure of every role's packages, each package once."""
    by_name = {stanza["Package"]: stanza for stanza in base}
    apt.install_base([status_text(by_name.values())])
    roles = {role: apt.archives(names) for role, names in release.roles.items()}
    stanzas = _stanzas(apt, (archive for archives in roles.values() for archive in archives))
    names = {
        role: {archive.name for archive in archives} | _moving(archives, stanzas, by_name)
        for role, archives in roles.items()
    }
    apt.install_base([])
    moved = sorted(set().union(*names.values()) - stanzas.keys())
    found = {archive.name: archive for archives in roles.values() for archive in archives}
    found |= {archive.name: archive for archive in apt.archives(moved) if archive.name in moved}
    stanzas |= _stanzas(apt, (found[name] for name in moved))
    return tuple(
        _locked(found[name], stanzas[name], [role for role in roles if name in names[role]])
        for name in sorted(found)
    )


def interpreter_packages(apt: AptRoot, release: Release) -> tuple[LockedPackage, ...]:
    """Return the packages of the release's Python with all that they need to run anywhere."""
    apt.install_base([])
    found = apt.archives([release.interpreter])
    stanzas = _stanzas(apt, found)
    return tuple(_locked(archive, stanzas[archive.name], ()) for archive in found)


def _moving(
    archives: Iterable[Archive], stanzas: Mapping[str, Stanza], base: Mapping[str, Stanza]
) -> set[str]:
    """Return packages of the base which an older installation may have in a version too old.

    Those that the closure wants in one exact version, and those that it wants from a version on
    and that a point release or a security update has changed since the release came out.
    """
    found: set[str] = set()
    ahead = [stanzas[archive.name] for archive in archives]
    while ahead:
        stanza = ahead.pop()
        near = (exact_names(stanza) | minimum_names(stanza)) & base.keys()
        exact = exact_names(stanza)
        needed = {name for name in near if name in exact or came_by_update(base[name])}
        ahead += [base[name] for name in needed - found]
        found |= needed
    return found


def _stanzas(apt: AptRoot, archives: Iterable[Archive]) -> dict[str, Stanza]:
    wanted = {f"{a.name}:{a.architecture}={a.version}" for a in archives}
    return {stanza["Package"]: stanza for stanza in apt.show(sorted(wanted))} if wanted else {}


def _locked(archive: Archive, stanza: Stanza, roles: Iterable[str]) -> LockedPackage:
    return LockedPackage(
        name=archive.name,
        version=archive.version,
        architecture=archive.architecture,
        # ':' of an epoch stays encoded, as apt names archives
        file=f"{archive.name}_{archive.version.replace(':', '%3a')}_{archive.architecture}.deb",
        uri=archive.uri,
        sha256=stanza["SHA256"],
        size=int(stanza["Size"]),
        roles=tuple(roles),
        control=essence(stanza),
    )
