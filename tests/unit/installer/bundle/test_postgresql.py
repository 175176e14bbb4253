"""A bundle may carry another major version of PostgreSQL beside its release's own."""

import pytest

from installer.bundle.apt import AptRoot
from installer.bundle.catalogue import (
    POSTGRESQL,
    RELEASES,
    further_archives,
    postgresql_of,
    release_named,
    with_postgresql,
)
from installer.errors import ConfigError
from installer.roles.database.model import RELEASES as ROLE_RELEASES

TRIXIE = release_named("trixie")


def test_both_major_versions_are_packages_of_the_database():
    found = with_postgresql(TRIXIE, [15])

    assert found.roles["database"] == (*TRIXIE.roles["database"], "postgresql-15")
    assert {k: v for k, v in found.roles.items() if k != "database"} == {
        k: v for k, v in TRIXIE.roles.items() if k != "database"
    }
    assert postgresql_of(found) == 17


def test_the_releases_own_version_is_no_further_one():
    """Else the same wishes would have another lock."""
    assert with_postgresql(TRIXIE, [17]) == TRIXIE
    assert with_postgresql(TRIXIE, []) == TRIXIE


def test_the_archive_of_the_release_that_has_it_is_asked_too():
    assert further_archives(TRIXIE) == []
    assert further_archives(with_postgresql(TRIXIE, [15])) == ["bookworm"]


def test_a_version_that_no_release_has_is_refused():
    with pytest.raises(ConfigError, match="choose one of 15, 17"):
        with_postgresql(TRIXIE, [14])


@pytest.mark.parametrize("codename", RELEASES)
def test_roles_and_bundles_agree_on_each_releases_own_version(codename):
    own = postgresql_of(release_named(codename))

    assert own == ROLE_RELEASES[codename].postgresql
    assert POSTGRESQL[own] == codename


def test_of_other_releases_only_what_lacks_is_taken(tmp_path):
    """Security updates of the older release may be newer than what the own one has."""
    root = AptRoot(tmp_path, "", "amd64")
    root.prefer("trixie")

    own, others = "Pin: release n=trixie*\nPin-Priority: 500", "Pin: release *\nPin-Priority: 100"
    assert own in (tmp_path / "preferences").read_text()
    assert others in (tmp_path / "preferences").read_text()
    assert f'Dir::Etc::Preferences "{tmp_path}/preferences"' in (tmp_path / "apt.conf").read_text()


def test_only_the_own_release_says_what_no_host_lacks(tmp_path):
    root = AptRoot(tmp_path, "", "amd64")
    lists = tmp_path / "lists"
    for codename, name in (("trixie", "libc6"), ("bookworm", "libold")):
        text = f"Package: {name}\nPriority: required\nVersion: 1\n\n"
        (lists / f"deb.debian.org_debian_dists_{codename}_main_binary-amd64_Packages").write_text(
            text
        )

    assert root.required_names("trixie") == {"libc6"}
