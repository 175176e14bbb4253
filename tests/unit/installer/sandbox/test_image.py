"""Images: what names them, and that only whole ones are kept."""

import subprocess
from dataclasses import replace

import pytest

from installer.errors import ConfigError, PhaseFailed
from installer.sandbox import image


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "cfy_manager" / "images"


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "bookworm"},
        {"packages": (*image.PACKAGES, "vim")},
        {"customise": "true"},
    ],
)
def test_another_recipe_is_another_image(change):
    recipe = image.recipe("trixie")

    assert replace(recipe, **change).digest != recipe.digest


def test_the_same_recipe_is_the_same_image():
    assert image.recipe("trixie").digest == image.recipe("trixie").digest


def test_an_unknown_suite_is_a_problem_that_names_the_known_ones():
    with pytest.raises(ConfigError, match="there is no image of 'sid'") as caught:
        image.recipe("sid")

    assert "trixie, bookworm" in str(caught.value)


def test_an_image_is_built_once(cache, monkeypatch):
    built = []

    def build(argv):
        built.append(argv)
        (cache / argv[-1]).mkdir()

    monkeypatch.setattr(image, "run", build)

    first, second = image.ensure_image("trixie"), image.ensure_image("trixie")

    assert first == second
    assert first.is_dir()
    assert len(built) == 1


def test_a_build_that_fails_leaves_nothing_half(cache, monkeypatch):
    def break_off(argv):
        (cache / argv[-1] / "usr").mkdir(parents=True)
        raise PhaseFailed

    monkeypatch.setattr(image, "run", break_off)

    with pytest.raises(PhaseFailed):
        image.ensure_image("trixie")

    assert not [entry for entry in cache.iterdir() if entry.is_dir()]


def test_the_build_command_keeps_its_mounts_to_itself():
    """An interrupted build must not leave /proc mounted in a folder that is then deleted."""
    command = image.build_command(image.recipe("trixie"), image.cache_dir() / "target")

    assert command[:3] == ["unshare", "--mount", "--"]
    assert command[-2:] == ["trixie", str(image.cache_dir() / "target")]


def test_the_customisation_is_a_shell_script():
    done = subprocess.run(["sh", "-n"], input=image.recipe("trixie").customise, text=True)

    assert done.returncode == 0
