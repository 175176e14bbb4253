"""Take what a person changed on nodes into the inventory's settings."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from installer.actions.cluster import Cluster, open_cluster
from installer.actions.inventory_file import change_inventory
from installer.actions.rollout import Survey
from installer.config.edit import NotEditable
from installer.config.merge import merged, nested
from installer.config.source import path_text
from installer.engine.drift import Drift, Drifted
from installer.errors import ConfigError, Problem, Refused
from installer.inventory import Inventory
from installer.plan.adoption import NotAdoptable, adopted_settings, lost_keys

Changed = Mapping[str, tuple[Drifted, ...]]  # node → files
_ELSE = "say --on-drift keep or overwrite for it, or put it into the settings yourself"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A changed file on a node with what stands in it."""

    node: str
    file: Drifted
    text: str

    @property
    def place(self) -> str:
        return f"{self.node}: {self.file.name}"

    @property
    def content(self) -> bytes:
        """Return what the file would say by the present settings."""
        return self.file.change.file.content if self.file.change else b""

    def settings(self) -> dict[tuple[str, ...], Any]:
        """Return the settings that the change asks for; raises NotAdoptable."""
        if self.file.drift in (Drift.CONFLICT, Drift.REMOVED) or self.file.change is None:
            raise NotAdoptable(f"it was {self.file.drift.value}")
        return adopted_settings(self.file.name, self.content, self.text)


def adopt(cluster: Cluster, seen: Survey, changed: Changed) -> Inventory:
    """Write what was changed on nodes into the inventory and return it as it is then.

    Raises Refused, with nothing changed, when a change has no setting or only a part of it has.
    """
    found = [_read(seen, node, file) for node, files in changed.items() for file in files]
    settings = _settings(found)
    wished = reduce(merged, (nested(k, v) for k, v in settings.items()), cluster.inventory.settings)
    inventory = replace(cluster.inventory, settings=wished)
    if problems := [*_partial_problems(seen, inventory, found)]:
        raise Refused(*problems)
    return _write(cluster.inventory, settings)


def _read(seen: Survey, node: str, file: Drifted) -> _Found:
    if file.found is None:
        return _Found(node=node, file=file, text="")
    result = seen.engine.session(node).run(f"cat {shlex.quote(file.name)}")
    return _Found(node=node, file=file, text=result.stdout)


def _settings(found: list[_Found]) -> dict[tuple[str, ...], Any]:
    """Return all settings that are asked for; raises Refused where they cannot be had."""
    wished: dict[tuple[str, ...], Any] = {}
    problems: list[Problem] = []
    for one in found:
        try:
            news = one.settings()
        except NotAdoptable as error:
            problems.append(_refusal(one.place, str(error)))
            continue
        for key, value in news.items():
            if wished.setdefault(key, value) != value:
                what = f"two nodes ask for different values of {path_text(key)}"
                problems.append(_refusal(one.place, what))
    if problems:
        raise Refused(*problems)
    return wished


def _partial_problems(seen: Survey, inventory: Inventory, found: list[_Found]) -> Iterator[Problem]:
    """Yield a problem for each file that the new settings would not make say what it says now."""
    try:
        then = seen.beside(open_cluster(inventory, save=False).jobs())
    except ConfigError as error:
        yield from error.problems
        return
    for one in found:
        path = one.file.name
        files = [f for stage in then.observations[one.node].stages for f in stage.state.files]
        after = next(file.content for file in files if file.path == path)
        if lost := lost_keys(path, one.content, one.text, after):
            yield _refusal(one.place, f"settings cannot say this of {', '.join(lost)}")


def _write(inventory: Inventory, settings: Mapping[tuple[str, ...], Any]) -> Inventory:
    """Write the settings into the inventory's text; the former text is kept beside the logs."""
    try:
        return change_inventory(inventory, {("settings", *k): v for k, v in settings.items()})
    except NotEditable as error:
        wished = ", ".join(f"{path_text(key)}: {value!r}" for key, value in settings.items())
        what = f"the file is written in a way that cannot be edited; it should say {wished}"
        raise Refused(_refusal(f"{inventory.path}: {error}", what)) from error


def _refusal(where: str, what: str) -> Problem:
    return Problem(where=where, what=what, remedy=_ELSE, code="drift-not-adoptable")
