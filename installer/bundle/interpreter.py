"""A release's own Python on the machine that builds, to compile modules to its byte code.

Byte code belongs to one minor version of Python, and this machine's may be another. The release's
interpreter needs nothing but its own few packages: no container, no rights, no installation.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from installer.bundle.catalogue import Environment, Release
from installer.errors import PreflightError, Problem

_COMPILE_S = 600
# Each line of stdin: source, target, and the path that tracebacks show. The byte code holds for
# good (PEP 552, unchecked): an environment is replaced as a whole and never edited.
_PROGRAM = """\
import py_compile, sys
for line in sys.stdin:
    source, target, shown = line.rstrip("\\n").split("\\t")
    try:
        py_compile.compile(
            source, target, shown, True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    except py_compile.PyCompileError:
        pass  # a module for another Python, which nothing here imports
"""


class Interpreter:
    """The Python of a release, unpacked from its packages into a folder."""

    def __init__(self, folder: Path, archives: Iterable[Path], release: Release) -> None:
        self._release = release
        for archive in archives:
            _run(["dpkg-deb", "--extract", str(archive), str(folder)])
        # links may be absolute, and then lead to this machine's own
        (loader,) = (path for path in folder.glob("**/ld-linux-*.so.*") if not path.is_symlink())
        libraries = {p.parent for p in folder.glob("**/*.so.*") if not p.parent.is_symlink()}
        python = folder / "usr" / "bin" / f"python{release.python}"
        places = ":".join(map(str, sorted(libraries)))
        self._words = [str(loader), "--library-path", places, str(python), "-s", "-S"]
        self._home = folder / "usr"

    def compile(self, members: Mapping[str, bytes], environment: Environment) -> dict[str, bytes]:
        """Return the byte code of an environment's modules by the path where Python looks."""
        wanted = [name for name in members if is_compiled(name, environment)]
        with tempfile.TemporaryDirectory(prefix="cfy_manager-") as work:
            lines = []
            for number, name in enumerate(wanted):
                (Path(work) / f"{number}.py").write_bytes(members[name])
                shown = f"{environment.folder}/env/{name}"
                lines.append(f"{work}/{number}.py\t{work}/{number}.pyc\t{shown}\n")
            home = {"PYTHONHOME": str(self._home), "LC_ALL": "C.UTF-8"}
            _run([*self._words, "-c", _PROGRAM], said="".join(lines), variables=home)
            compiled = {name: Path(work) / f"{n}.pyc" for n, name in enumerate(wanted)}
            return {
                self._cached(name): path.read_bytes()
                for name, path in compiled.items()
                if path.exists()
            }

    def _cached(self, name: str) -> str:
        """Return where Python keeps a module's byte code (PEP 3147)."""
        folder, _, file = name.rpartition("/")
        tag = "cpython-" + self._release.python.replace(".", "")
        return f"{folder}/__pycache__/{file.removesuffix('.py')}.{tag}.pyc"


def is_compiled(name: str, environment: Environment) -> bool:
    """Tell whether a file of an environment is a module that travels as byte code too."""
    if environment.compiled_except is None or not name.endswith(".py"):
        return False
    inside = name.startswith("lib/")
    return inside and re.search(environment.compiled_except, f"/{name}") is None


def _run(words: list[str], *, said: str = "", variables: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        words,
        input=said,
        env=dict(variables) if variables else None,
        capture_output=True,
        text=True,
        timeout=_COMPILE_S,
        check=False,
    )
    if done.returncode != 0:
        raise PreflightError(
            Problem(
                where=" ".join(words)[:100],
                what=done.stderr.strip()[-500:] or f"ended with code {done.returncode}",
                remedy="check that this machine is a Debian of the bundle's architecture",
            )
        )
