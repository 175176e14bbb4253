"""On a node, an environment is unpacked once, whole, and shown by one rename."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from installer.bundle import use
from installer.bundle.cache import file_digest
from installer.bundle.catalogue import ENVIRONMENTS, RELEASES
from installer.bundle.environment import EnvironmentWriter
from installer.bundle.model import Bundle, BundledFile, dependencies_file, project_file
from installer.bundle.use import APT_CONF, bundle_stages, environment_mark
from installer.engine.observation import NodeFacts
from installer.errors import PreflightError
from tests.support.bundles import lock_of, locked_package, write_wheel

TRIXIE = NodeFacts(release="trixie")
_PLAIN = ENVIRONMENTS[1]


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A node's folder of environments below the test's own, without a link in /usr/local/bin."""
    here = replace(_PLAIN, folder=str(tmp_path / "opt"), compiled_except=None)
    monkeypatch.setattr(use, "ENVIRONMENTS", (here,))
    return tmp_path / "opt"


def bundle_in(folder: Path, code: str, packages=()) -> Bundle:
    """Return a bundle whose project is one module with this code."""
    (folder / "environments").mkdir(parents=True)
    release = replace(RELEASES["trixie"], python="3")  # whichever the test's machine has
    wheel = write_wheel(folder, "demo", {"demo.py": code})
    paths = (dependencies_file("manager"), project_file("manager"))
    writer = EnvironmentWriter(environment=_PLAIN, release=release)
    writer.write_environment(folder / paths[0], [])
    writer.write_addition(folder / paths[1], wheel)
    files = [
        BundledFile(path=path, sha256=file_digest(folder / path), size=1, roles=("manager",))
        for path in paths
    ]
    return Bundle(path=folder, lock=lock_of(packages), files=tuple(files))


def stage_of(bundle: Bundle | None, *roles: str):
    folder = str(bundle.path) if bundle else ""
    source, environments = bundle_stages(bundle, roles, TRIXIE, folder)
    return replace(environments, state=source.state | environments.state)


def unpack_step(bundle: Bundle):
    (step,) = stage_of(bundle, "manager").steps
    return step


def sh(script: str) -> int:
    return subprocess.run(["sh", "-euc", script], check=False, stderr=subprocess.DEVNULL).returncode


def module(node: Path) -> str:
    return (node / "env/lib/python3/site-packages/demo.py").read_text()


def test_the_guard_fails_on_a_bare_node_and_holds_afterwards(node, tmp_path):
    step = unpack_step(bundle_in(tmp_path / "bundle", "first"))

    before = sh(step.guard)
    sh(step.script)

    assert before != 0
    assert sh(step.guard) == 0
    assert module(node) == "first"


def test_new_code_replaces_the_environment_and_the_one_before_stays(node, tmp_path):
    """What still runs from it may import more of it until it is restarted."""
    steps = [unpack_step(bundle_in(tmp_path / code, code)) for code in ("first", "second", "third")]
    sh(steps[0].script)

    held = sh(steps[1].guard)
    for step in steps[1:]:
        sh(step.script)

    assert held != 0
    assert module(node) == "third"
    codes = [p.read_text() for p in node.glob("envs/*/lib/python3/site-packages/demo.py")]
    assert sorted(codes) == ["second", "third"]


def test_what_a_kill_left_is_thrown_away(node, tmp_path):
    step = unpack_step(bundle_in(tmp_path / "bundle", "first"))
    (node / "envs/.new/lib").mkdir(parents=True)
    (node / "envs/.new/lib/half").write_text("half")
    (node / ".env").symlink_to("envs/elsewhere")

    sh(step.script)

    assert sh(step.guard) == 0
    assert not list(node.glob("envs/*/lib/half"))
    assert not (node / "envs/.new").exists()


def test_a_folder_that_somebody_made_by_hand_gives_way(node, tmp_path):
    step = unpack_step(bundle_in(tmp_path / "bundle", "first"))
    (node / "env/bin").mkdir(parents=True)

    sh(step.script)

    assert sh(step.guard) == 0


def test_an_archive_without_byte_code_is_compiled_for_its_final_place(node, tmp_path, monkeypatch):
    """A traceback names the folder in which the code is, not the one it was unpacked in."""
    (here,) = use.ENVIRONMENTS
    monkeypatch.setattr(use, "ENVIRONMENTS", (replace(here, compiled_except="/tests?/"),))

    sh(unpack_step(bundle_in(tmp_path / "bundle", "value = 1")).script)

    (compiled,) = node.glob("envs/*/lib/python3/site-packages/__pycache__/demo.*.pyc")
    assert str(compiled.parents[1] / "demo.py").encode() in compiled.read_bytes()


def test_an_archive_that_is_cut_off_shows_nothing(node, tmp_path):
    bundle = bundle_in(tmp_path / "bundle", "first")
    archive = bundle.path / project_file("manager")
    archive.write_bytes(archive.read_bytes()[:700])
    step = unpack_step(bundle)

    code = sh(step.script)

    assert code != 0
    assert not (node / "env").exists()


def test_units_can_restart_on_new_code(node, tmp_path):
    marks = [
        stage_of(bundle_in(tmp_path / code, code), "manager").state.file(
            environment_mark("manager")
        )
        for code in ("first", "second")
    ]

    assert marks[0].content != marks[1].content


def test_apt_gets_the_bundle_as_its_only_source_without_the_hosts_settings(node, tmp_path):
    bundle = bundle_in(tmp_path / "bundle", "", [locked_package("patroni", "database")])

    state = stage_of(bundle, "manager").state

    conf = state.file(APT_CONF).content.decode()
    assert 'Dir::Etc::SourceList "/dev/null";' in conf
    assert not [file.path for file in state.files if file.path.startswith("/etc/apt")]
    source = state.file("/var/lib/cfy_manager/apt/sources/bundle.sources").content.decode()
    assert f"URIs: file:{tmp_path}/bundle/apt\n" in source


def test_a_bundle_without_packages_leaves_apt_to_the_host(node, tmp_path):
    state = stage_of(bundle_in(tmp_path / "bundle", ""), "manager").state

    assert state.absent == (APT_CONF,)
    assert [file.path for file in state.files] == [environment_mark("manager")]


def test_only_managers_get_the_runtimes_environment(tmp_path):
    names = {
        role: [step.name for step in stage_of(None, role).steps] for role in ("queue", "manager")
    }

    assert names == {
        "queue": ["Find the environment installer"],
        "manager": ["Find the environment installer", "Find the environment manager"],
    }


def test_without_a_bundle_the_missing_environment_is_named(node):
    (step,) = stage_of(None, "manager").steps

    done = subprocess.run(["sh", "-euc", step.script], capture_output=True, text=True, check=False)

    assert sh(step.guard) != 0
    assert done.returncode == 1
    assert f"{node}/env/bin/python is missing" in done.stderr


def test_a_bundle_of_another_release_is_refused(node, tmp_path):
    bundle = bundle_in(tmp_path / "bundle", "")

    with pytest.raises(PreflightError) as caught:
        bundle_stages(bundle, ["manager"], NodeFacts(release="bookworm", hostname="db-1"))

    (problem,) = caught.value.problems
    assert "db-1" in problem.where
    assert "--release bookworm" in problem.remedy
