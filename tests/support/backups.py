"""A store of backups in memory, and what parts of a backup work with."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

from installer.backup.backup_set import BackupSet, BackupType, PartTaken
from installer.backup.parts import PartRun
from installer.engine.outcome import Result
from installer.errors import NodeUnreachable, Problem


@dataclass
class MemoryStore:
    """Keeps files of sets as a repository does."""

    node: str = "db-1"
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def put(self, label, name, content):
        self.files[label, name] = content

    def get(self, label, name):
        return self.files[label, name]

    def reader(self, label, name):
        return f"cat {label}/{name}\n"

    def writer(self, label, name):
        return f"cat > {label}/{name}\n"

    def labels(self):
        return frozenset(label for label, _ in self.files)

    def remove(self, label):
        self.files = {key: content for key, content in self.files.items() if key[0] != label}


@dataclass
class ScriptedNodes:
    """Answers scripts with what the test says; a node without an answer is silent."""

    answers: dict[str, tuple[int, str, str]]
    scripts: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, node, act):
        if node not in self.answers:
            raise NodeUnreachable(Problem(where=node, what="no route", remedy="mend it"))

        def run(script, **_):
            self.scripts.append((node, script))
            code, said, errors = self.answers[node]
            return Result(code=code, stdout=said, stderr=errors)

        return act(SimpleNamespace(name=node, run=run))


def a_set(label="20260101-000000F", *parts, finished=None):
    at = finished or datetime(2026, 1, 1, tzinfo=UTC)
    return BackupSet(
        label=label,
        type=BackupType.FULL,
        began=at,
        finished=at,
        size_bytes=1,
        stored_bytes=1,
        restore_point=f"cfy-{label}",
        parts=tuple(PartTaken(name=part) for part in parts),
    )


def part_run(inventory, *, store=None, ask=None, backup=None):
    """Return a run of a part, and the list of what it tells."""
    told: list[str] = []
    run = PartRun(
        inventory=inventory,
        backup=backup or a_set(),
        store=store or MemoryStore(),
        tell=told.append,
        ask=ask or ScriptedNodes({}),
    )
    return run, told
