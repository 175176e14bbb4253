"""The REST service starts fast: what few requests need is imported when one does."""

import subprocess
import sys

import pytest

_DEAR = ("cloudify_rest_client", "dsl_parser", "jsonschema", "networkx", "requests")


@pytest.mark.parametrize("package", _DEAR)
def test_the_rest_service_starts_without(package, loaded):
    assert package not in loaded


@pytest.fixture(scope="module")
def loaded():
    """Return the packages that a fresh process has once it has imported the application."""
    script = "import sys, manager.rest.app; print(*{name.split('.')[0] for name in sys.modules})"
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return frozenset(done.stdout.split())
