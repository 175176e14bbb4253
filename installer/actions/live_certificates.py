"""See which certificates the ports of a running cluster show now, without the cluster's lock."""

from pathlib import Path

from installer.actions.running import open_running
from installer.engine.engine import Engine
from installer.engine.target import target_of
from installer.inventory import load_inventory
from installer.proof.handshake import Look, look, ports_of


def live_certificates(path: Path) -> Look:
    """Return what every port of a cluster shows; nodes out of reach are told beside it.

    Raises Refused when the cluster was not installed from here: what ports must show is unknown.
    """
    inventory = load_inventory(path)
    cluster = open_running(inventory)
    with Engine([target_of(node) for node in inventory.nodes]) as engine:
        away = engine.connect()
        ports = ports_of(inventory, cluster.inputs)
        seen = look(engine, [port for port in ports if port.listener.node not in away])
    return Look(shown=seen.shown, absent={**seen.absent, **away})
