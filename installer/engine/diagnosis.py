"""Ask a node why a gate or step failed there, and read its answer."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from installer.catalogue.signatures import all_signs
from installer.engine.outcome import Diagnosis, Match
from installer.engine.replies import masked
from installer.secrets import Secret
from installer.state import Stage, UnitTarget

DIAGNOSE_S = 90
_EVERYWHERE = ("/", "/tmp", "/var/lib", "/var/log")  # noqa: S108 - where a full disk shows
_PORTS = {  # whose processes may listen there
    80: ("nginx.service", "haproxy.service"),
    443: ("nginx.service", "haproxy.service"),
    2379: ("etcd.service",),
    2380: ("etcd.service",),
    4369: ("epmd.service", "rabbitmq-server.service"),
    5432: ("patroni.service",),
    5671: ("rabbitmq-server.service",),
    8008: ("patroni.service",),
    8100: ("cloudify-restservice.service",),
    15671: ("rabbitmq-server.service",),
    22000: ("cloudify-syncthing.service",),
    25672: ("rabbitmq-server.service",),
    53333: ("nginx.service", "haproxy.service"),
}
_CREDENTIAL = re.compile(  # `user:password@`, `password=…`, `auth_pass …` in any service's words
    r"(://[^:/@\s]+:)[^@\s]+(?=@)|((?:password|auth_pass|cookie)['\"]?\s*[:=]\s*['\"]?)[^'\"\s,}]+",
    re.IGNORECASE,
)


def units_of(stage: Stage) -> list[str]:
    """Return the units that a stage is about: those its gate watches, and those it runs."""
    gate = stage.gate.units if stage.gate else ()
    own = (unit.name for unit in stage.state.units if unit.target is UnitTarget.RUNNING)
    return list(dict.fromkeys((*gate, *own)))


def secrets_of(stage: Stage) -> dict[str, Secret]:
    """Return every secret that a stage gives to its gate and steps."""
    gate = dict(stage.gate.secrets) if stage.gate else {}
    return gate | {name: value for step in stage.steps for name, value in step.secrets.items()}


def diagnose_request(stage: Stage, *, since_s: float, said: str) -> dict[str, Any]:
    """Return the request for `node/diagnose.py`; `said` is what gate or step said last."""
    units = units_of(stage)
    return {
        "units": units,
        "since_s": since_s,
        "said": said,
        "signs": [(sign.code, sign.source, sign.pattern) for sign in all_signs()],
        "paths": [*stage.state.data, *_EVERYWHERE],
        "certificates": certificates_of(stage),
        "ports": ports_of(units),
    }


def certificates_of(stage: Stage) -> dict[str, list[str]]:
    """Return the certificates that this stage's units use, and which units use each.

    What no unit names as a reason to restart is used by all of them: etcd reads its own anew.
    """
    running = [unit for unit in stage.state.units if unit.target is UnitTarget.RUNNING]
    named = {unit.name: {*unit.restart_on, *unit.reload_on} for unit in running}
    paths = [*(file.path for file in stage.state.files), *sorted(set().union(*named.values()))]
    return {
        path: [name for name, its in named.items() if path in its] or list(named)
        for path in paths
        if named and path.endswith((".crt", ".pem"))
    }


def watch_request(units: Iterable[str]) -> dict[str, Any]:
    """Return what a gate needs to see that waiting on is of no use."""
    names = list(units)
    return {
        "signs": [(sign.code, sign.source, sign.pattern) for sign in all_signs() if sign.ends_wait],
        "ports": ports_of(names),
    }


def ports_of(units: Iterable[str]) -> dict[int, list[str]]:
    """Return the ports at which any of these units listens, and who may hold each."""
    wanted = set(units)
    return {port: list(holders) for port, holders in _PORTS.items() if wanted.intersection(holders)}


def read_diagnosis(told: Mapping[str, Any], secrets: Mapping[str, Secret]) -> Diagnosis:
    """Return a node's answer as values, without secrets."""
    return Diagnosis(
        matches=tuple(
            Match(
                code=code,
                source=source,
                time=datetime.fromtimestamp(when, UTC),
                line=without_credentials(masked(line, secrets)),
            )
            for code, source, when, line in told["matches"]
        ),
        journal={
            unit: without_credentials(masked(text, secrets))
            for unit, text in told["journal"].items()
        },
        failing=tuple(told["failing"]),
    )


def without_credentials(text: str) -> str:
    """Return the text without what a service itself may have written of a password."""
    return _CREDENTIAL.sub(lambda match: f"{match[1] or match[2]}********", text)
