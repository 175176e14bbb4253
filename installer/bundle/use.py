"""What a node needs to live from a bundle: apt settings of its own, and our environments.

The node's own apt sources, lists and settings stay as they are: the bundle has its own beside
them, so an `apt-get update` of the owner neither meets nor loses anything of ours.
"""

import hashlib
import shlex
from collections.abc import Callable, Iterable

from installer.bundle.catalogue import ENVIRONMENTS, Environment
from installer.bundle.model import Bundle, dependencies_file, project_file
from installer.engine.observation import NodeFacts
from installer.errors import PreflightError, Problem
from installer.state import Directory, ManagedFile, NodeState, Stage, Step
from installer.templates import render

BUNDLE_FOLDER = "/var/lib/cfy_manager/bundle"
APT_FOLDER = "/var/lib/cfy_manager/apt"

# The first words after `apt-get`, wherever this file exists: the bundle is then the only source
APT_CONF = f"{APT_FOLDER}/apt.conf"

_NOT_URGENT = "renice -n 10 $$ >/dev/null  # the packages of the same host come first\n"


def bundle_stages(
    bundle: Bundle | None, roles: Iterable[str], facts: NodeFacts, folder: str = BUNDLE_FOLDER
) -> tuple[Stage, Stage]:
    """Return what a node needs of a bundle: it as apt's source, then our environments.

    Packages wait for the first only; `folder` is where the node has its files of the bundle.
    Without a bundle the environments must be there already. Raises PreflightError when the bundle
    is for another release than the node's.
    """
    wanted = set(roles)
    environments = [e for e in ENVIRONMENTS if wanted.intersection(e.roles)]
    if bundle is None:
        found = Stage(name="environments", steps=tuple(map(_expect, environments)))
        return Stage(name="bundle"), found
    _check_release(bundle, facts)
    return (
        Stage(name="bundle", state=_apt_state(bundle, folder)),
        Stage(
            name="environments",
            state=_marks(bundle, environments),
            steps=tuple(_unpack(e, bundle, folder) for e in environments),
        ),
    )


def environment_mark(environment: str) -> str:
    """Return the file whose content changes with an environment, for units to restart on."""
    (found,) = (e for e in ENVIRONMENTS if e.name == environment)
    return f"{found.folder}/env.id"


def environment_id(environment: str, digest_of: Callable[[str], str]) -> str:
    """Return what names the content of an environment, from the hashes of its two archives."""
    digests = digest_of(dependencies_file(environment)) + digest_of(project_file(environment))
    return hashlib.sha256(digests.encode()).hexdigest()[:16]


def setup_script(digest_of: Callable[[str], str]) -> bytes:
    """Return what brings the command `cfy_manager` to a machine that holds the bundle."""
    (environment,) = (e for e in ENVIRONMENTS if e.command)
    return render("bundle/setup.j2", **_values(environment, digest_of, '"$bundle"'))


def _check_release(bundle: Bundle, facts: NodeFacts) -> None:
    if facts.release != bundle.lock.release:
        raise PreflightError(
            Problem(
                where=f"{bundle.path} on {facts.hostname or 'the node'}",
                what=f"the bundle is for {bundle.lock.release}, the node runs {facts.release}",
                remedy=f"build one for it: cfy_manager bundle build --release {facts.release}",
            )
        )


def _apt_state(bundle: Bundle, folder: str) -> NodeState:
    if not bundle.has_packages:
        return NodeState(absent=(APT_CONF,))
    conf = render("bundle/apt.conf.j2", folder=APT_FOLDER)
    source = render("bundle/bundle.sources.j2", repository=f"{folder}/apt")
    return NodeState(
        directories=(Directory(path=f"{APT_FOLDER}/lists"),),
        data=(APT_FOLDER,),
        files=(
            ManagedFile(path=APT_CONF, content=conf),
            ManagedFile(path=f"{APT_FOLDER}/sources/bundle.sources", content=source),
        ),
    )


def _marks(bundle: Bundle, environments: Iterable[Environment]) -> NodeState:
    return NodeState(
        files=tuple(
            ManagedFile(
                path=environment_mark(environment.name),
                content=f"{environment_id(environment.name, bundle.digest_of)}\n".encode(),
            )
            for environment in environments
        )
    )


def _expect(environment: Environment) -> Step:
    """Return a step that fails with a remedy when there is no environment to work with."""
    python = f"{environment.folder}/env/bin/python"
    told = f"{python} is missing, and no bundle is named that would bring it."
    remedy = "Build one (cfy_manager bundle build --wheels-only) and name it: `bundle:` ."
    return Step(
        name=f"Find the environment {environment.name}",
        guard=f"[ -x {python} ]",
        script=f"echo {shlex.quote(f'{told} {remedy}')} >&2\nexit 1\n",
    )


def _unpack(environment: Environment, bundle: Bundle, folder: str) -> Step:
    place, digest_of = environment.folder, bundle.digest_of
    identity = environment_id(environment.name, digest_of)
    held = [f'[ "$(readlink {place}/env)" = envs/{identity} ]', f"[ -x {place}/env/bin/python ]"]
    if environment.command:
        link, target = f"/usr/local/bin/{environment.command}", f"bin/{environment.command}"
        held.append(f'[ "$(readlink {link})" = {place}/env/{target} ]')
    values = _values(environment, digest_of, shlex.quote(folder))
    if not bundle.lock.interpreter and environment.command is None:
        values["compiled_except"] = environment.compiled_except
    return Step(
        name=f"Unpack the environment {environment.name}",
        guard=" && ".join(held),
        script=_NOT_URGENT + render("bundle/unpack.sh.j2", **values).decode(),
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
        "compiled_except": None,  # the archives have the byte code already
        "command": environment.command,
    }
