"""Debian control data is read and written as apt does it."""

import pytest

from installer.bundle.control import (
    came_by_update,
    essence,
    exact_names,
    format_stanza,
    minimum_names,
    parse_stanzas,
    status_text,
)

PERL = """\
Package: perl
Version: 5.40.1-6
Architecture: amd64
Maintainer: Somebody <somebody@example.org>
Pre-Depends: dpkg (>= 1.17.17)
Depends: perl-base (= 5.40.1-6), perl-modules-5.40 (>= 5.40.1-6), libperl5.40:any (= 5.40.1-6)
Description: a language
 Its long description.
 .
 And more of it.
SHA256: abc
"""


def perl():
    return next(parse_stanzas(PERL))


def test_continuation_lines_belong_to_their_field():
    assert perl()["Description"] == "a language\n Its long description.\n .\n And more of it."


def test_each_stanza_is_one():
    names = [stanza["Package"] for stanza in parse_stanzas(PERL + "\n\n\nPackage: b\nVersion: 1\n")]

    assert names == ["perl", "b"]


def test_a_stanza_survives_being_written():
    (again,) = parse_stanzas(format_stanza(perl()))

    assert again == perl()


def test_prose_and_people_stay_out_of_the_lock():
    assert essence(perl()).keys() == {
        "Package",
        "Version",
        "Architecture",
        "Pre-Depends",
        "Depends",
    }


def test_exact_and_minimum_versions_are_told_apart():
    assert exact_names(perl()) == {"perl-base", "libperl5.40"}
    assert minimum_names(perl()) == {"dpkg", "perl-modules-5.40"}


@pytest.mark.parametrize(
    ("version", "updated"),
    [
        ("3.5.7-1~deb13u3", True),
        ("2.41-12+deb13u4", True),
        ("1:1.3.dfsg+really1.3.1-1+b1", False),
        ("14.2.0-19", False),
    ],
)
def test_updates_of_a_stable_release_are_known_by_their_version(version, updated):
    assert came_by_update({"Version": version}) is updated


def test_a_status_file_says_that_packages_are_installed():
    (stanza,) = parse_stanzas(status_text([perl()]))

    assert stanza["Status"] == "install ok installed"
    assert stanza["Package"] == "perl"
