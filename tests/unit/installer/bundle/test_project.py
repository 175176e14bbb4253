"""The project's wheel has all of it, and its environments have all that it imports."""

import ast
import re
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from installer.bundle import project
from installer.bundle.catalogue import ENVIRONMENTS, normalise
from installer.bundle.project import build_wheel, requirements_of, source_digest, source_folder
from installer.errors import PreflightError

ROOT = Path(__file__).parents[4]
_PARTS = {"installer": "installer", "manager": "manager"}  # environment → our package in it


def imported(package: str) -> Iterator[str]:
    """Yield the top-level names that a package of ours imports."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.partition(".")[0]


# psycopg: of a program that the manager role runs with the runtime's Python; _sha2: of Python 3.12
_ELSEWHERE = {"psycopg": "installer", "_sha2": "installer"}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_an_environment_has_every_distribution_that_our_code_imports(environment):
    """The runtime's environment has nothing of the installer's; on a node it would be too late."""
    declared = {
        normalise(re.split(r"[^\w.-]", requirement)[0])
        for requirement in requirements_of(ROOT, environment)
    }
    of_module = packages_distributions()
    foreign = set(imported(_PARTS[environment.name])) - set(sys.stdlib_module_names)
    foreign -= {name for name, user in _ELSEWHERE.items() if user == environment.name}
    foreign -= _PARTS.keys()

    lacking = {
        module
        for module in foreign
        if not declared & {normalise(name) for name in of_module.get(module, [])}
    }

    assert lacking == set()


@pytest.fixture
def checkout(tmp_path):
    for part in ("installer", "manager", "templates"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "file.py").write_text(part)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize("path", ["installer/file.py", "templates/file.py", "pyproject.toml"])
def test_the_hash_follows_what_goes_into_the_wheel(checkout, path):
    before = source_digest(checkout)

    (checkout / path).write_text("other")

    assert source_digest(checkout) != before


def test_the_hash_ignores_what_python_leaves_behind_and_other_folders(checkout):
    before = source_digest(checkout)

    for path in ("installer/__pycache__/file.cpython-313.pyc", "docs/page.md"):
        (checkout / path).parent.mkdir(exist_ok=True)
        (checkout / path).write_text("other")

    assert source_digest(checkout) == before


def test_the_wheel_holds_both_packages_and_the_templates(tmp_path):
    with zipfile.ZipFile(build_wheel(ROOT, tmp_path / "wheel")) as wheel:
        names = set(wheel.namelist())

    sources = [path for part in _PARTS.values() for path in (ROOT / part).rglob("*.py")]
    templates = [path for path in (ROOT / "templates").rglob("*") if path.is_file()]
    expected = {str(path.relative_to(ROOT)) for path in sources}
    expected |= {f"installer/_{path.relative_to(ROOT)}" for path in templates}

    assert expected - names == set()


def test_equal_source_gives_an_equal_wheel(tmp_path):
    wheels = [build_wheel(ROOT, tmp_path / name) for name in ("a", "b")]

    assert wheels[0].read_bytes() == wheels[1].read_bytes()


def test_outside_a_checkout_the_way_out_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(project, "__file__", str(tmp_path / "a/b/project.py"))

    with pytest.raises(PreflightError) as caught:
        source_folder()

    assert "carry a finished bundle here" in caught.value.problems[0].remedy


def test_a_wheel_that_cannot_be_built_is_a_problem(checkout, tmp_path):
    with pytest.raises(PreflightError) as caught:
        build_wheel(checkout, tmp_path / "wheel")

    assert "'.[bundle]'" in caught.value.problems[0].remedy
