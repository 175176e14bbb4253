"""What the trial asks of the programs on the nodes; keys go to their own node only, by stdin."""

from collections.abc import Collection, Mapping
from typing import Any

from installer.engine.pems import Pems
from installer.links import Service
from installer.preflight.network.plan import Opening, Probe

OPEN, TAKEN, NO_ADDRESS = "open", "taken", "no such address"  # what a node says of a port
BULK_BYTES = 64 * 1024  # more than a packet of any usual size
DEADLINE_S = 90  # of listeners, should nobody be left to end them
_LIMITS = {
    "connect_s": 2.0,
    "answer_s": 2.0,
    "refusal_s": 0.15,  # a service that refuses our certificate says so within this time
    "bulk_s": 1.5,
    "bulk_bytes": BULK_BYTES,
    "again_s": 4.0,
    "again_bytes": 16 * 1024,
    "total_s": 12.0,
}


def listen_request(openings: Collection[Opening], token: str) -> dict[str, Any]:
    """Return the request for `node/listen.py`."""
    pems = Pems()
    ports = [
        {
            "port": opening.listener.port,
            "bind": opening.listener.bind,
            "pair": pems.number(opening.pair),
            "trust": pems.number(opening.trust),
            "is_demanding": opening.listener.demands_certificate,
        }
        for opening in openings
    ]
    return {"token": token, "deadline_s": DEADLINE_S, "ports": ports, "pems": pems.files}


def connect_request(
    probes: Collection[Probe], states: Mapping[str, Mapping[int, str]]
) -> dict[str, Any]:
    """Return the request for `node/connect.py`; large data go once from each node to each other."""
    pems, measured = Pems(), set[str]()
    wishes = []
    for probe in probes:
        link = probe.link
        is_trial = states.get(link.target, {}).get(link.port) == OPEN
        has_bulk = is_trial and link.target not in measured
        if has_bulk:
            measured.add(link.target)
        wishes.append(
            {
                "address": link.address,
                "port": link.port,
                "trial": is_trial,
                "start": "postgresql" if link.service is Service.POSTGRESQL else "",
                "bulk": has_bulk,
                "tls": link.tls
                and {
                    "trust": pems.number(probe.trust),
                    "pair": pems.number(probe.pair),
                    "name": link.tls.server_name,
                },
            }
        )
    return {"wishes": wishes, "pems": pems.files, **_LIMITS}
