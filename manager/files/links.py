"""Links of an archive become copies of what they stand for: the tree has no links."""

from collections.abc import Iterable
from pathlib import Path

from manager.errors import BadArchive
from manager.files.entries import Budget, Entry, copy_file, entry_parts
from manager.files.write import make_folder

_MAX_DEPTH = 40  # links to links; Linux follows as many


def link_parts(target: str, folder: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a link in `folder` stands for; raises BadArchive when that is outside."""
    parts = list(folder)
    if target.startswith("/"):
        raise BadArchive(f"The archive has a link to {target[:200]!r}")
    for name in target.split("/"):
        if name == "..":
            if not parts:
                raise BadArchive(f"The archive has a link to {target[:200]!r}")
            parts.pop()
        else:
            parts.extend(entry_parts(name))
    return tuple(parts)


def copy_links(links: Iterable[Entry], folder: Path, budget: Budget) -> None:
    """Put copies where the links were; a link to nothing leaves nothing."""
    waiting = list(links)
    for _ in range(_MAX_DEPTH):
        left = [link for link in waiting if not _copy(link, folder, budget)]
        if not left or len(left) == len(waiting):
            return
        waiting = left
    raise BadArchive("The archive has too many links to links")


def _copy(link: Entry, folder: Path, budget: Budget) -> bool:
    source, target = folder.joinpath(*(link.link or ())), folder.joinpath(*link.parts)
    if source.is_file():
        if source != target:
            copy_file(source, target, budget)
        return True
    if not source.is_dir():
        return False
    for path in [path for path in source.rglob("*") if path.is_file()]:
        budget.take_entry()
        copy_file(path, target / path.relative_to(source), budget)
    make_folder(target)
    return True
