"""The closure holds what a role needs beyond the smallest host, and what may be too old there."""

from collections.abc import Iterable, Sequence

from installer.bundle.apt import Archive
from installer.bundle.catalogue import Release
from installer.bundle.closure import base_stanzas, locked_packages
from installer.bundle.control import parse_stanzas

RELEASE = Release(
    interpreter="python3.13-minimal",
    codename="trixie",
    python="3.13",
    roles={"database": ("server",), "queue": ("broker",)},
    host=("systemd",),
)
WORLD = {
    "libc6": ("2.41-12", ""),
    "libssl3": ("3.5.7-1~deb13u3", "libc6 (>= 2.34)"),
    "perl-base": ("5.40.1-6", ""),
    "systemd": ("257", "libc6 (>= 2.34)"),
    "server": ("17.1", "libclient (= 17.1), libssl3 (>= 3.0.0), libc6 (>= 2.38), perl-base (= 5)"),
    "libclient": ("17.1", "libssl3 (>= 3.0.0)"),
    "broker": ("4.0", "libc6 (>= 2.34)"),
}


class World:
    """An apt that knows seven packages."""

    def __init__(self) -> None:
        self.installed: set[str] = set()

    def install_base(self, stanzas: Sequence[str]) -> None:
        self.installed = {s["Package"] for text in stanzas for s in parse_stanzas(text)}

    def required_names(self, codename: str) -> set[str]:
        return {"libc6", "perl-base", "libssl3"}

    def simulate(self, names: Iterable[str]) -> list[str]:
        return sorted(self._closure([n for n in names if n in WORLD]) - self.installed)

    def archives(self, names: Iterable[str]) -> list[Archive]:
        return [
            Archive(uri=f"http://m/{n}", name=n, version=WORLD[n][0], architecture="amd64")
            for n in self.simulate(names)
        ]

    def show(self, names: Iterable[str]) -> list[dict[str, str]]:
        plain = [name.split(":")[0].split("=")[0] for name in names]
        return [
            {
                "Package": name,
                "Version": WORLD[name][0],
                "Architecture": "amd64",
                "Depends": WORLD[name][1],
                "SHA256": f"hash of {name}",
                "Size": "5",
            }
            for name in plain
        ]

    def _closure(self, names: Iterable[str]) -> set[str]:
        found: set[str] = set()
        ahead = list(names)
        while ahead:
            name = ahead.pop()
            found.add(name)
            wanted = [word.split()[0] for word in WORLD[name][1].split(", ") if word]
            ahead += [other for other in wanted if other not in found]
        return found


def packages():
    apt = World()
    base = base_stanzas(apt, RELEASE)
    return {p.name: p for p in locked_packages(apt, RELEASE, base)}


def test_the_base_is_the_smallest_host():
    base = base_stanzas(World(), RELEASE)

    assert {stanza["Package"] for stanza in base} == {"libc6", "libssl3", "perl-base", "systemd"}


def test_a_role_gets_its_packages_and_what_they_depend_on():
    found = packages()

    assert found["server"].roles == found["libclient"].roles == ("database",)
    assert found["broker"].roles == ("queue",)


def test_a_base_package_wanted_in_one_exact_version_comes_along():
    """A host of an older point release has another version, and no mirror to get this one."""
    assert packages()["perl-base"].roles == ("database",)


def test_a_base_package_that_was_updated_comes_along_where_a_version_is_wanted():
    assert packages()["libssl3"].roles == ("database",)


def test_a_base_package_that_is_as_the_release_shipped_it_stays_out():
    found = packages()

    assert "libc6" not in found
    assert "systemd" not in found


def test_each_package_has_its_hash_and_place():
    server = packages()["server"]

    assert (server.sha256, server.size, server.uri) == ("hash of server", 5, "http://m/server")
    assert server.file == "server_17.1_amd64.deb"
    assert "SHA256" not in server.control
