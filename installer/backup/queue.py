"""RabbitMQ's definitions: virtual hosts, users of agents with their passwords' hashes, queues."""

from collections.abc import Iterator
from pathlib import Path

from installer.backup.backup_set import PartTaken
from installer.backup.node import definitions
from installer.backup.parts import PartRun
from installer.backup.streams import answers, bring, content_problems, keep, told
from installer.engine.session import Session
from installer.errors import Problem
from installer.inventory import Inventory, Role

_FILE = "definitions.json"
_OWN = "/etc/rabbitmq/definitions.json"
_PROGRAM = Path(definitions.__file__).read_text(encoding="utf-8")
_RUNS = "rabbitmqctl --silent await_startup --timeout 240\n"
_READ = "exec rabbitmqctl --silent export_definitions -\n"
_WRITE = f"""\
program=$(cat <<'PROGRAM'
{_PROGRAM}PROGRAM
)
chosen=$(mktemp /run/cfy-definitions.XXXXXX)
trap 'rm -f "$chosen"' EXIT
python3 -I -c "$program" {_OWN} > "$chosen"
chown rabbitmq "$chosen"
rabbitmqctl --silent import_definitions "$chosen" < /dev/null
"""  # a file: the tool's Erlang runs with -noinput, and waits for ever for what comes by stdin
# one start of Erlang for all queues: with agents there are hundreds. Streams cannot be purged
_PURGE = """\
rabbitmqctl --silent eval '
    length([catch rabbit_amqqueue:purge(Queue) || Queue <- rabbit_amqqueue:list()]).'
"""


class QueuePart:
    """What the brokers know besides messages: a message means nothing to a restored database."""

    name = "queue"
    may_be_younger = False

    def concerns(self, inventory: Inventory) -> bool:
        """Tell whether this cluster has brokers of its own."""
        return bool(inventory.with_role(Role.QUEUE))

    def take(self, run: PartRun) -> PartTaken:
        """Keep the definitions as one broker tells them for all."""
        name = self._broker(run)
        done = keep(run, _FILE, name, _READ)
        facts = {"broker": name, "sha256": done.sha256}
        return PartTaken(name=self.name, size_bytes=done.bytes, facts=facts)

    def restore(self, run: PartRun, taken: PartTaken) -> None:
        """Add what lacks, and empty every queue: its messages are of another past."""
        name = self._broker(run)
        bring(run, _FILE, name, _WRITE)
        count = run.ask(name, lambda session: told(session, _PURGE)).strip()
        run.tell(f"definitions of {taken.facts['broker']} are on {name}, {count} queues are empty")

    def verify(self, run: PartRun, taken: PartTaken) -> Iterator[Problem]:
        """Yield a problem when the definitions are not what was kept."""
        yield from content_problems(run, _FILE, str(taken.facts["sha256"]))

    def _broker(self, run: PartRun) -> str:
        found = answers(run, run.inventory.with_role(Role.QUEUE), _runs)
        return next(found)[0]


def _runs(session: Session) -> str:
    return told(session, _RUNS)
