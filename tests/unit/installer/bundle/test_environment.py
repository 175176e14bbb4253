"""An environment's archive is a virtual environment once it is unpacked."""

import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from installer.bundle.catalogue import ENVIRONMENTS, RELEASES
from installer.bundle.environment import EnvironmentWriter
from installer.bundle.interpreter import is_compiled
from tests.support.bundles import write_wheel

TRIXIE = RELEASES["trixie"]
INSTALLER, MANAGER = ENVIRONMENTS
PACKAGES = "lib/python3.13/site-packages"


@pytest.fixture
def wheel(tmp_path):
    info = "demo-1.0"
    return write_wheel(
        tmp_path,
        "demo",
        {
            "demo/__init__.py": "def main():\n    print('hello')\n",
            f"{info}.dist-info/entry_points.txt": "[console_scripts]\nDemo = demo:main\n",
            f"{info}.data/scripts/tool": "#!python\nprint('tool')\n",
            f"{info}.data/scripts/native": b"\x7fELF",
            f"{info}.data/purelib/extra.py": "",
            f"{info}.data/data/share/demo/page": "x",
            f"{info}.data/headers/demo.h": "x",
        },
    )


def writer(environment, release, compiler=None) -> EnvironmentWriter:
    return EnvironmentWriter(environment=environment, release=release, compiler=compiler)


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="fully_trusted")
    return folder


def members(archive: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(archive) as tar:
        return {member.name: member for member in tar.getmembers()}


def test_every_part_of_a_wheel_finds_its_place(wheel, tmp_path):
    writer(INSTALLER, TRIXIE).write_environment(tmp_path / "env.tar", [wheel])

    assert members(tmp_path / "env.tar").keys() == {
        "pyvenv.cfg",
        "bin/python",
        "bin/python3",
        "bin/python3.13",
        "bin/Demo",
        "bin/tool",
        "bin/native",
        "share/demo/page",
        f"{PACKAGES}/demo/__init__.py",
        f"{PACKAGES}/extra.py",
        f"{PACKAGES}/demo-1.0.dist-info/METADATA",
        f"{PACKAGES}/demo-1.0.dist-info/WHEEL",
        f"{PACKAGES}/demo-1.0.dist-info/RECORD",
        f"{PACKAGES}/demo-1.0.dist-info/entry_points.txt",
    }


def test_scripts_run_with_the_environments_own_python(wheel, tmp_path):
    writer(MANAGER, TRIXIE).write_environment(tmp_path / "env.tar", [wheel])
    folder = unpacked(tmp_path / "env.tar", tmp_path / "env")

    for name in ("Demo", "tool"):
        script = folder / "bin" / name
        assert script.read_text().startswith("#!/opt/manager/env/bin/python\n")
        assert script.stat().st_mode & 0o777 == 0o755
    assert (folder / "bin/native").read_bytes() == b"\x7fELF"


def test_the_nodes_python_takes_it_for_an_environment(wheel, tmp_path):
    """The one thing replaced here is the version of Python: the test's own."""
    own = replace(TRIXIE, python=f"{sys.version_info.major}.{sys.version_info.minor}")
    writer(INSTALLER, own).write_environment(tmp_path / "env.tar", [wheel])
    folder = unpacked(tmp_path / "env.tar", tmp_path / "env")
    for link in (folder / "bin").glob("python*"):
        link.unlink()
        link.symlink_to(Path(sys.base_prefix) / "bin/python3")

    done = subprocess.run(
        [folder / "bin/python", "-c", "import demo, sys; print(sys.prefix); demo.main()"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines() == [str(folder), "hello"]


def test_equal_wheels_give_equal_bytes(wheel, tmp_path):
    for name in ("a.tar", "b.tar"):
        writer(INSTALLER, TRIXIE).write_environment(tmp_path / name, [wheel])

    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_everything_in_it_is_roots(wheel, tmp_path):
    writer(INSTALLER, TRIXIE).write_environment(tmp_path / "env.tar", [wheel])

    assert {(m.uid, m.gid) for m in members(tmp_path / "env.tar").values()} == {(0, 0)}


def test_the_command_is_in_its_own_environment_only(wheel, tmp_path):
    """Without pyinfra and its like, `cfy_manager` cannot run in the manager's environment."""
    found = {}
    for environment in (INSTALLER, MANAGER):
        writer(environment, TRIXIE).write_addition(tmp_path / "project.tar", wheel)
        found[environment.name] = "bin/Demo" in members(tmp_path / "project.tar")

    assert found == {"installer": True, "manager": False}


def test_a_wheel_that_would_leave_the_environment_is_refused(tmp_path):
    wheel = write_wheel(tmp_path, "evil", {"../../etc/passwd": "x"})

    with pytest.raises(ValueError, match="leave the environment"):
        writer(INSTALLER, TRIXIE).write_environment(tmp_path / "env.tar", [wheel])


class UpperCase:
    """A compiler whose byte code is the source in capitals."""

    def compile(self, members, environment):
        wanted = (name for name in members if is_compiled(name, environment))
        return {f"{name}c": members[name].upper() for name in wanted}


def test_byte_code_travels_with_the_modules(wheel, tmp_path):
    """Compiled on each node it costs as much as all packages of a manager."""
    writer(MANAGER, TRIXIE, UpperCase()).write_environment(tmp_path / "env.tar", [wheel])

    found = unpacked(tmp_path / "env.tar", tmp_path / "env") / PACKAGES / "demo/__init__.pyc"
    assert found.read_text().startswith("DEF MAIN()")


@pytest.mark.parametrize(
    ("environment", "name", "compiled"),
    [
        (MANAGER, f"{PACKAGES}/sqlalchemy/engine/base.py", True),
        (MANAGER, f"{PACKAGES}/sqlalchemy/testing/util.py", False),
        (MANAGER, f"{PACKAGES}/sqlalchemy/dialects/oracle/base.py", False),
        (MANAGER, f"{PACKAGES}/sqlalchemy/py.typed", False),
        (MANAGER, "share/demo/page.py", False),
        (INSTALLER, f"{PACKAGES}/installer/reporter/service.py", True),
        (INSTALLER, f"{PACKAGES}/gevent/hub.py", False),
    ],
)
def test_only_what_services_import_is_compiled(environment, name, compiled):
    assert is_compiled(name, environment) is compiled
