"""Real bundles from the real sources: built once, then from the cache."""

import time

import pytest

from installer.bundle.build import build_bundle
from installer.bundle.catalogue import RELEASES
from installer.bundle.verify import verify_bundle

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("codename", RELEASES)
def test_a_bundle_of_each_release_is_whole_and_quick_the_second_time(codename):
    bundle = build_bundle(codename)

    begun = time.monotonic()
    again = build_bundle(codename)
    seconds = time.monotonic() - begun
    problems = [str(problem) for check in verify_bundle(bundle) for problem in check.problems]

    assert problems == []
    assert again.path == bundle.path
    assert seconds < 3
