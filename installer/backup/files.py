"""The managers' files: blueprints, deployments, plugins, snapshots and what else they serve."""

from collections.abc import Iterator

from installer.backup.backup_set import PartTaken
from installer.backup.parts import PartRun
from installer.backup.streams import answers, bring, content_problems, keep, told
from installer.engine.session import Session
from installer.errors import Problem
from installer.inventory import Inventory, Role

_RESOURCES = "/opt/manager/resources"
_USER = "cfyuser"
_FILE = "files.tar.gz"
_COUNT = f"find {_RESOURCES} -mindepth 2 -not -path '{_RESOURCES}/.*' -type f | wc -l\n"
# what begins with a dot on top is of one manager alone: uploads under way, syncthing's mark;
# `cloudify` and `spec` are the runtime's own types, of the release that is installed.
# 1: a file changed or went while it was read; what is served is renamed into place, so it is whole
_READ = f"""\
cd {_RESOURCES}
tar --create --anchored --exclude='./.*' --exclude=./cloudify --exclude=./spec \\
    --use-compress-program='gzip -1' --file=- . \\
    || test $? -eq 1
"""
# extracted on the same file system where nothing serves or replicates it, then exchanged
_WRITE = f"""\
exec setpriv --reuid={_USER} --regid={_USER} --init-groups sh -eu -c '
umask 022
cd {_RESOURCES}
rm -rf .incoming/restore
mkdir -p .incoming/restore/new .incoming/restore/old
tar --extract --gzip --no-same-owner --preserve-permissions --directory=.incoming/restore/new
for entry in *; do
    case "$entry" in cloudify|spec) continue ;; esac
    [ ! -e "$entry" ] || mv -- "$entry" .incoming/restore/old/
done
rm -rf .incoming/restore/new/cloudify .incoming/restore/new/spec
for entry in .incoming/restore/new/*; do [ ! -e "$entry" ] || mv -- "$entry" .; done
rm -rf .incoming/restore
'
"""


class FilesPart:
    """The file tree that managers serve and replicate; it is kept from the fullest of them."""

    name = "files"
    may_be_younger = True  # a later tree has what the database refers to, unless it was deleted

    def concerns(self, inventory: Inventory) -> bool:
        """Tell whether this cluster has managers."""
        return bool(inventory.with_role(Role.MANAGER))

    def take(self, run: PartRun) -> PartTaken:
        """Keep the tree of the manager that has most files."""
        managers = run.inventory.with_role(Role.MANAGER)
        counts = {name: int(count) for name, count in answers(run, managers, _count)}
        fullest = max(counts, key=counts.__getitem__)
        run.tell(f"{counts[fullest]} files of {fullest}")
        done = keep(run, _FILE, fullest, _READ)
        facts = {"manager": fullest, "files": counts[fullest], "sha256": done.sha256}
        return PartTaken(name=self.name, size_bytes=done.bytes, facts=facts)

    def restore(self, run: PartRun, taken: PartTaken) -> None:
        """Put the tree on one manager; the others get it, and what went goes there too.

        Their replication sees what was put and taken here as the newest change.
        """
        managers = run.inventory.with_role(Role.MANAGER)
        name, _ = next(answers(run, managers, _count))
        run.tell(f"{taken.facts['files']} files to {name}; replication brings them to the others")
        bring(run, _FILE, name, _WRITE)

    def verify(self, run: PartRun, taken: PartTaken) -> Iterator[Problem]:
        """Yield a problem when the archive is not what was kept."""
        yield from content_problems(run, _FILE, str(taken.facts["sha256"]))


def _count(session: Session) -> str:
    return told(session, _COUNT)
