"""Versions of Debian packages, compared as dpkg compares them."""

import itertools

import pytest

from installer.bundle.versions import is_newer

ASCENDING = (
    "0~rc1",
    "0",
    "1.0~beta1-1",
    "1.0-1~bpo12+1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1+deb13u1",
    "1.0-1+deb13u10",
    "1.0.1-1",
    "1.9-1",
    "1.10-1",
    "2.0-rc1-1",
    "1:0.1-1",
)


@pytest.mark.parametrize(("older", "newer"), [*itertools.pairwise(ASCENDING)])
def test_versions_stand_in_dpkgs_order(older, newer):
    assert is_newer(newer, older)
    assert not is_newer(older, newer)


@pytest.mark.parametrize("version", ASCENDING)
def test_no_version_is_newer_than_itself(version):
    assert not is_newer(version, version)
