"""Our apt knows nothing but its own folder, and decides as a bare host's would."""

import shutil

import pytest

from installer.bundle import apt as module
from installer.bundle.apt import AptRoot, debian_sources, local_source
from installer.bundle.control import status_text
from installer.bundle.repository import packages_index, release_file
from installer.errors import PreflightError
from tests.support.bundles import control, locked_package

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs Debian's apt")


@pytest.fixture
def apt(tmp_path):
    """An apt whose only source is a repository of three packages."""
    packages = [
        locked_package("server", "database", depends="client (>= 1.0), base"),
        locked_package("client", "database"),
        locked_package("broken", "queue", depends="nowhere"),
    ]
    index = packages_index(packages)
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository/Packages").write_text(index)
    (tmp_path / "repository/Release").write_text(release_file(index, "trixie"))
    found = AptRoot(tmp_path / "apt", local_source(tmp_path / "repository"), "amd64")
    found.update()
    found.install_base([status_text([control("base")])])
    return found


def test_an_installation_brings_what_the_host_lacks(apt):
    assert apt.simulate(["server"]) == ["client", "server"]


def test_what_cannot_be_installed_is_a_problem_in_apts_words(apt):
    with pytest.raises(PreflightError) as caught:
        apt.simulate(["broken"])

    assert "nowhere" in caught.value.problems[0].what


def test_archives_come_with_name_version_and_place(apt):
    found = {archive.name: archive for archive in apt.archives(["server"])}

    assert found["client"].version == "1.0"
    assert found["client"].uri.endswith("/repository/./pool/client_1.0_all.deb")


def test_show_returns_control_data(apt):
    (stanza,) = apt.show(["server:all=1.0"])

    assert stanza["Depends"] == "client (>= 1.0), base"


def test_an_index_that_is_not_as_the_release_says_is_refused(apt, tmp_path):
    with (tmp_path / "repository/Packages").open("a") as index:
        index.write("\nPackage: sneaked\nVersion: 1\nArchitecture: all\n")
    other = AptRoot(tmp_path / "other", local_source(tmp_path / "repository"), "amd64")

    with pytest.raises(PreflightError):
        other.update()


@pytest.mark.parametrize(
    ("targets", "mirror", "security"),
    [
        ("", "http://deb.debian.org/debian", "http://deb.debian.org/debian-security"),
        (
            "http://near.example/debian/|bookworm|main|Debian\n"
            "http://near.example/debian/|bookworm-updates|main|Debian\n"
            "http://near.example/security/|bookworm-security|main|Debian\n",
            "http://near.example/debian/",
            "http://near.example/security/",
        ),
        (
            "https://apt.example.org/|bookworm-pgdg|main|PGDG\n"
            "https://docker.example.org/|bookworm|stable|Docker\n"
            "https://other.example.org/|nodistro|main|Other\n",
            "http://deb.debian.org/debian",
            "http://deb.debian.org/debian-security",
        ),
    ],
    ids=["none", "near", "foreign"],
)
def test_packages_come_from_this_machines_own_debian_mirror(targets, mirror, security, monkeypatch):
    monkeypatch.setattr(module, "_output", lambda words, environment: targets)

    text = debian_sources("trixie")

    assert f"URIs: {mirror}\nSuites: trixie trixie-updates\n" in text
    assert f"URIs: {security}\nSuites: trixie-security\n" in text
    assert text.count("Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg") == 2
