"""What a node needs to live from a bundle: apt settings of its own, and our environments.

The node's own apt sources, lists and settings stay as they are: the bundle has its own beside
them, so an `apt-get update` of the owner neither meets nor loses anything of ours.
"""

import hashlib
import shlex
from collections.abc import Callable, Iterable

from installer.bundle.catalogue import ENVIRONMENTS, Environment
from installer.bundle.model import Bundle, dependencies_file, project_file
from installer.state import Directory, ManagedFile, NodeState, Stage, Step
from installer.templates import render

BUNDLE_FOLDER = "/var/lib/cfy_manager/bundle"
APT_FOLDER = "/var/lib/cfy_manager/apt"

# The first words after `apt-get`, wherever this file exists: the bundle is then the only source
APT_CONF = f"{APT_FOLDER}/apt.conf"
APT_OPTIONS = ("-c", APT_CONF)


def bundle_stage(bundle: Bundle, roles: Iterable[str], folder: str = BUNDLE_FOLDER) -> Stage:
    """Return the first stage of a node, whose files of the bundle are in `folder` there."""
    wanted = set(roles)
    return Stage(
        name="bundle",
        state=_apt_state(folder) if bundle.has_packages else NodeState(),
        steps=tuple(
            _unpack(environment, bundle.digest_of, folder)
            for environment in ENVIRONMENTS
            if wanted.intersection(environment.roles)
        ),
    )


def environment_id(environment: str, digest_of: Callable[[str], str]) -> str:
    """Return what names the content of an environment, from the hashes of its two archives."""
    digests = digest_of(dependencies_file(environment)) + digest_of(project_file(environment))
    return hashlib.sha256(digests.encode()).hexdigest()[:16]


def setup_script(digest_of: Callable[[str], str]) -> bytes:
    """Return what brings the command `cfy_manager` to a machine that holds the bundle."""
    (environment,) = (e for e in ENVIRONMENTS if e.command)
    return render("bundle/setup.j2", **_values(environment, digest_of, '"$bundle"'))


def _apt_state(folder: str) -> NodeState:
    conf = render("bundle/apt.conf.j2", folder=APT_FOLDER)
    source = render("bundle/bundle.sources.j2", repository=f"{folder}/apt")
    return NodeState(
        directories=(Directory(path=f"{APT_FOLDER}/lists/partial"),),
        data=(APT_FOLDER,),
        files=(
            ManagedFile(path=APT_CONF, content=conf),
            ManagedFile(path=f"{APT_FOLDER}/sources/bundle.sources", content=source),
        ),
    )


def _unpack(environment: Environment, digest_of: Callable[[str], str], folder: str) -> Step:
    place, identity = environment.folder, environment_id(environment.name, digest_of)
    held = [f'[ "$(readlink {place}/env)" = envs/{identity} ]', f"[ -x {place}/env/bin/python ]"]
    if environment.command:
        link, target = f"/usr/local/bin/{environment.command}", f"bin/{environment.command}"
        held.append(f'[ "$(readlink {link})" = {place}/env/{target} ]')
    values = _values(environment, digest_of, shlex.quote(folder))
    return Step(
        name=f"Unpack the environment {environment.name}",
        guard=" && ".join(held),
        script=render("bundle/unpack.sh.j2", **values).decode(),
        timeout_s=300,
    )


def _values(
    environment: Environment, digest_of: Callable[[str], str], folder: str
) -> dict[str, object]:
    archives = (dependencies_file(environment.name), project_file(environment.name))
    return {
        "place": environment.folder,
        "identity": environment_id(environment.name, digest_of),
        "archives": [f"{folder}/{archive}" for archive in archives],
        "compiled": environment.compiled,
        "command": environment.command,
    }
