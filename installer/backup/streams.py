"""Files of a set that may be big: streamed between a node and the repository, proven by a hash."""

from collections.abc import Callable, Iterable, Iterator

from installer.backup.parts import PartRun
from installer.engine.session import Session
from installer.engine.stream import Carried, End, carry
from installer.engine.target import Target, target_of
from installer.errors import InstallerError, PhaseFailed, Problem
from installer.inventory import Node

_LONGEST_S = 12 * 3600
_HASH_LENGTH = 64


def keep(run: PartRun, name: str, node: str, script: str) -> Carried:
    """Keep what a script on a node writes as a file of the set."""
    store = End(
        target=_target(run, run.store.node), script=run.store.writer(run.backup.label, name)
    )
    return carry(End(target=_target(run, node), script=script), store, timeout_s=_LONGEST_S)


def bring(run: PartRun, name: str, node: str, script: str) -> Carried:
    """Let a script on a node read a file of the set."""
    store = End(
        target=_target(run, run.store.node), script=run.store.reader(run.backup.label, name)
    )
    return carry(store, End(target=_target(run, node), script=script), timeout_s=_LONGEST_S)


def content_problems(run: PartRun, name: str, sha256: str) -> Iterator[Problem]:
    """Yield a problem when a file of the set is not what was kept, or cannot be read."""
    label, node = run.backup.label, run.store.node
    script = f"{{\n{run.store.reader(label, name)}}} | sha256sum\n"

    def read(session: Session) -> str:
        done = session.run(script, timeout_s=_LONGEST_S)
        # an unreadable file leaves the hash of nothing: what pgBackRest says tells more
        return done.stdout.split()[0] if not done.stderr.strip() else done.stderr.strip()[-500:]

    found = run.ask(node, read)
    if found != sha256:
        yield damaged(f"{label}/{name}", found)


def damaged(where: str, found: str) -> Problem:
    """Return the problem of a file that has another SHA-256, or that could not be read."""
    is_hash = len(found) == _HASH_LENGTH and " " not in found
    return Problem(
        where=where,
        what=f"its content has changed: SHA-256 {found}" if is_hash else found,
        remedy="choose another backup; `cluster backup` takes a new one",
        code="backup-part-damaged",
    )


def answers(
    run: PartRun, nodes: Iterable[Node], look: Callable[[Session], str]
) -> Iterator[tuple[str, str]]:
    """Yield name and answer of each node that gives one; raise what the last said if none does."""
    failed: InstallerError | None = None
    has_answered = False
    for node in nodes:
        try:
            yield node.name, run.ask(node.name, look)
            has_answered = True
        except InstallerError as error:
            failed = error
            run.tell(f"{node.name} is left out: {error.problems[0].what}")
    if failed is not None and not has_answered:
        raise failed


def told(
    session: Session,
    script: str,
    *,
    timeout_s: int = 300,
    remedy: str = "mend what it tells and run the same command again",
    code: str = "backup-failed",
) -> str:
    """Return what a script on a node says; raises PhaseFailed with its last words."""
    done = session.run(script, timeout_s=timeout_s)
    if done.code:
        raise PhaseFailed(
            Problem(
                where=session.name,
                what=done.last_words(),
                remedy=remedy,
                code=code,
            )
        )
    return done.stdout


def _target(run: PartRun, name: str) -> Target:
    return target_of(run.inventory.node(name))
