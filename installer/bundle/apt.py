"""An apt of our own beside the machine's: own sources, own lists, own idea of what is installed."""

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from installer.bundle.control import Stanza, parse_stanzas
from installer.errors import PreflightError, Problem

_HELPER = "/usr/lib/apt/apt-helper"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_DEFAULT_MIRROR = "http://deb.debian.org/debian"
_DEFAULT_SECURITY = "http://deb.debian.org/debian-security"
_CODENAMES = ("bullseye", "bookworm", "trixie", "forky", "sid", "stable", "oldstable", "testing")
_TRANSPORT = tuple(
    f"Acquire::{name}" for name in ("http", "Check-", "Retries", "Force", "By-Hash", "AuthConf")
)
_TARGETS = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A package's archive as apt would fetch it."""

    uri: str
    name: str
    version: str
    architecture: str


class AptRoot:
    """A private apt state in a folder; needs no root and leaves the machine's apt alone."""

    def __init__(self, folder: Path, sources: str, architecture: str) -> None:
        self._folder = folder
        for part in ("sources", "lists/partial", "archives/partial", "log"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "sources" / "bundle.sources").write_text(sources)
        (folder / "preferences").write_text("")
        (folder / "apt.conf").write_text(_configuration(folder, architecture))
        self.install_base([])

    def update(self) -> None:
        """Fetch the package lists; apt checks their signatures and hashes."""
        self._run("apt-get", "update", "-q", "--error-on=any")

    def prefer(self, codename: str) -> None:
        """Take of other releases only what this one has not, whatever their versions are."""
        (self._folder / "preferences").write_text(
            "Package: *\nPin: release *\nPin-Priority: 100\n\n"
            f"Package: *\nPin: release n={codename}*\nPin-Priority: 500\n"
        )

    def install_base(self, stanzas: Sequence[str]) -> None:
        """Let apt believe that exactly these packages are installed (texts of status stanzas)."""
        (self._folder / "status").write_text("".join(stanzas))

    def simulate(self, names: Iterable[str]) -> list[str]:
        """Return the names of the packages that an installation would bring."""
        words = ("--simulate", "--no-install-recommends", "-q", *names)
        output = self._run("apt-get", "install", *words)
        return [line.split()[1] for line in output.splitlines() if line.startswith("Inst ")]

    def archives(self, names: Iterable[str]) -> list[Archive]:
        """Return what an installation of these packages would fetch."""
        words = ("--print-uris", "--no-install-recommends", "-q", *names)
        output = self._run("apt-get", "install", *words)
        return [_archive(line) for line in output.splitlines() if line.startswith("'")]

    def show(self, names: Iterable[str]) -> list[Stanza]:
        """Return the stanza of each name (or name=version), of the candidate version."""
        return list(parse_stanzas(self._run("apt-cache", "show", "--no-all-versions", *names)))

    def required_names(self, codename: str) -> set[str]:
        """Return the packages without which no system of this Debian release exists."""
        names = set()
        for index in self._folder.glob(f"lists/*_dists_{codename}*_Packages"):
            for block in index.read_text().split("\n\n"):
                if "\nPriority: required\n" in block or "\nEssential: yes\n" in block:
                    names.add(block.split("\n", 1)[0].removeprefix("Package: "))
        if not names:
            raise PreflightError(
                Problem(
                    where=f"{self._folder}/lists",
                    what="the package lists name no required package",
                    remedy="see which mirror apt uses on this machine: `apt-get indextargets`",
                )
            )
        return names

    def download(self, files: Iterable[tuple[str, Path, str]]) -> None:
        """Fetch each (URI, target, SHA-256); raises PreflightError when one is not as expected."""
        words = [
            word for uri, path, digest in files for word in (uri, str(path), f"SHA256:{digest}")
        ]
        if words:
            self._run(_HELPER, "-q", "download-file", *words)

    def _run(self, *words: str) -> str:
        environment = {**os.environ, "APT_CONFIG": str(self._folder / "apt.conf"), "LC_ALL": "C"}
        return _output(words, environment)


def debian_sources(codename: str) -> str:
    """Return sources for a release, from the mirror that this machine uses itself."""
    mirror, security = _mirrors()
    return (
        f"Types: deb\nURIs: {mirror}\nSuites: {codename} {codename}-updates\n"
        f"Components: main\nSigned-By: {_KEYRING}\n\n"
        f"Types: deb\nURIs: {security}\nSuites: {codename}-security\n"
        f"Components: main\nSigned-By: {_KEYRING}\n"
    )


def local_source(folder: Path) -> str:
    """Return the source for a repository without a signature in a folder of this machine."""
    return f"Types: deb\nURIs: file:{folder}\nSuites: ./\nTrusted: yes\n"


def _mirrors() -> tuple[str, str]:
    mirror, security = "", ""
    words = ("apt-get", "indextargets", "--format", _TARGETS, "Created-By: Packages")
    for line in _output(words, {**os.environ, "LC_ALL": "C"}).splitlines():
        uri, suite, component, origin = line.split("|")
        if component != "main" or origin not in ("Debian", "", "$(ORIGIN)"):
            continue
        if suite.partition("-")[0].partition("/")[0] not in _CODENAMES:
            continue
        if suite.endswith(("-security", "/updates")):
            security = security or uri
        elif suite in _CODENAMES:
            mirror = mirror or uri
    return mirror or _DEFAULT_MIRROR, security or _DEFAULT_SECURITY


def _configuration(folder: Path, architecture: str) -> str:
    settings = {
        "Dir::Etc::Main": "/dev/null",
        "Dir::Etc::Parts": "/dev/null",
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": f"{folder}/sources",
        "Dir::Etc::Preferences": f"{folder}/preferences",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State": f"{folder}",
        "Dir::State::Lists": f"{folder}/lists",
        "Dir::State::Status": f"{folder}/status",
        "Dir::Cache": f"{folder}",
        "Dir::Log": f"{folder}/log",
        "APT::Architecture": architecture,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",  # apt's own user could not read a folder below /root
        "Acquire::Languages": "none",
        "Acquire::GzipIndexes": "false",
    }
    lines = [f'{name} "{value}";' for name, value in settings.items()]
    # A list has no scalar syntax; without it the machine's foreign architectures would count
    lines.append(f'APT::Architectures {{ "{architecture}"; }};')
    return "\n".join(_acquire_settings() + lines) + "\n"


def _acquire_settings() -> list[str]:
    """Return the machine's settings for downloads: proxies, certificates, time-outs."""
    dump = _output(("apt-config", "dump"), {**os.environ, "LC_ALL": "C"})
    return [line for line in dump.splitlines() if line.startswith(_TRANSPORT)]


def _archive(line: str) -> Archive:
    match = re.fullmatch(r"'([^']+)' (\S+)_(\S+)_(\S+)\.deb .*", line)
    if match is None:
        raise PreflightError(
            Problem(
                where="apt-get install --print-uris",
                what=f"unexpected line: {line}",
                remedy="use the apt of Debian 12 or later on this machine",
            )
        )
    uri, name, version, architecture = match.groups()
    return Archive(uri=uri, name=name, version=unquote(version), architecture=architecture)


def _output(words: Sequence[str], environment: dict[str, str]) -> str:
    try:
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise PreflightError(
            Problem(
                where=words[0],
                what="is not on this machine",
                remedy="build the bundle on a Debian machine and carry it here",
            )
        ) from error
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-6:])
        raise PreflightError(
            Problem(
                where=" ".join(words[:2]),
                what=last or f"ended with code {done.returncode}",
                remedy="repair what apt names and run the command again",
            )
        )
    return done.stdout
