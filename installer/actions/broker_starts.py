"""Begin the starts of brokers anew that met certificates which nobody accepts.

A broker waits five minutes for the others and reads its certificates once: new ones, brought
meanwhile, are of no use to that start.
"""

from collections.abc import Collection

from installer.actions.rollout import Survey
from installer.engine.session import Session
from installer.inventory import Role
from installer.phases import Phase, PhaseResult
from installer.roles.queue.state import CERTIFICATE, UNIT
from installer.state import Step

PHASE = "certificates/brokers"
_BEGAN = f'$(date --date "$(systemctl show --property ExecMainStartTimestamp --value {UNIT})" +%s)'
STEP = Step(
    name="Begin the broker's start anew",
    guard=f"""\
[ "$(systemctl show --property ActiveState --value {UNIT})" != activating ] ||
    [ "{_BEGAN}" -ge "$(stat --format %Y {CERTIFICATE})" ]
""",
    # it serves nobody yet, and asked to end it would wait; between two starts it has no process
    script=f"""\
systemctl kill --signal=KILL {UNIT} || true
systemctl stop {UNIT}
systemctl start --no-block {UNIT}
""",
)


def broker_phase(seen: Survey) -> Phase:
    """Return the phase that does so on every broker of a run."""
    nodes = tuple(node for node, roles in seen.stages.items() if Role.QUEUE in roles)
    return Phase(name=PHASE, nodes=nodes, work=lambda: _begin_anew(seen, nodes))


def _begin_anew(seen: Survey, nodes: Collection[str]) -> PhaseResult:
    def begin(session: Session) -> bool:
        return session.run_step(STEP).changed

    outcomes = seen.engine.on_each(nodes, begin)
    problems = tuple(each.error for each in outcomes.values() if each.error is not None)
    changes = tuple(f"{node}: {STEP.name}" for node, each in outcomes.items() if each.value)
    return PhaseResult.of(PHASE, changes, problems)
