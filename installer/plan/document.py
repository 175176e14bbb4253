"""A saved plan: what would change, what that depends on, until when it holds, and its seal."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from installer.errors import Problem, Refused
from installer.plan.changes import PlannedChange, change_of
from installer.plan.fingerprint import Fingerprint
from installer.plan.mask import Mask

_KIND, _FORMAT = "cfy_manager plan", 1
_DIGEST, _SEAL = "digest", "seal"
_AGAIN = "make a new one: cfy_manager cluster plan -i INVENTORY -o FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """A plan of one cluster; it holds no secret, only masked digests of secrets."""

    cluster: str
    inventory: str  # where it was when the plan was made
    version: str  # of cfy_manager
    created: datetime
    expires: datetime
    changes: tuple[PlannedChange, ...]
    fingerprint: Fingerprint
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    on_drift: str = ""  # keep or overwrite; empty: as decided before
    generated: tuple[str, ...] = field(default=())  # secrets and certificates the run will make

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        values = asdict(self)
        times = {key: values[key].isoformat(timespec="seconds") for key in ("created", "expires")}
        changes = [change.as_json() for change in self.changes]
        return {"kind": _KIND, "format": _FORMAT, **values, **times, "changes": changes}


def plan_text(plan: SavedPlan, mask: Mask) -> str:
    """Return the text of a plan's file, with its digest and its seal."""
    content = plan.as_json()
    told = _canonical(content)
    marks = {_DIGEST: hashlib.sha256(told).hexdigest(), _SEAL: mask.seal(told)}
    return json.dumps({**content, **marks}, indent=1, ensure_ascii=False) + "\n"


def save_plan(plan: SavedPlan, mask: Mask, path: Path) -> None:
    """Write a plan for its owner only; it tells how the cluster is built."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(plan_text(plan, mask))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def load_plan(path: Path, mask: Mask | None) -> SavedPlan:
    """Return the plan of a file; raises Refused when it is none, was altered or is not of here.

    `mask` is that of the cluster's controller, None where no plan of it was ever saved.
    """
    content = _content(path)
    digest, seal = content.pop(_DIGEST, None), content.pop(_SEAL, None)
    told = _canonical(content)
    if digest != hashlib.sha256(told).hexdigest():
        raise Refused(_tampered(path))
    if mask is None or seal != mask.seal(told):
        raise Refused(_not_from_here(path))
    return _plan(content)


def expiry_problem(plan: SavedPlan, now: datetime, path: Path) -> Problem | None:
    """Return the problem of a plan that is too old, or from the future."""
    if plan.created <= now < plan.expires:
        return None
    late = f"it expired at {plan.expires:%Y-%m-%d %H:%M:%S} UTC, now it is {now:%H:%M:%S} UTC"
    if now < plan.created:
        late = f"it was made at {plan.created:%Y-%m-%d %H:%M:%S} UTC, after this clock's time"
    return Problem(where=str(path), what=late, remedy=_AGAIN, code="plan-expired")


def cluster_problem(plan: SavedPlan, cluster: str, path: Path) -> Problem | None:
    """Return the problem of a plan that was made for another cluster."""
    if plan.cluster == cluster:
        return None
    return Problem(
        where=str(path),
        what=f"it was made for the cluster {plan.cluster} ({plan.inventory}), not for {cluster}",
        remedy=f"name that inventory with -i, or {_AGAIN}",
        code="plan-of-another-cluster",
    )


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(_no_plan(path, f"it cannot be read as a plan: {error}")) from error
    if not isinstance(content, Mapping) or content.get("kind") != _KIND:
        raise Refused(_no_plan(path, "it is not a plan of cfy_manager"))
    if content.get("format") != _FORMAT:
        told = f"it has format {content.get('format')}, this cfy_manager reads {_FORMAT}"
        raise Refused(_no_plan(path, told))
    return dict(content)


def _plan(content: Mapping[str, Any]) -> SavedPlan:
    known = {key: value for key, value in content.items() if key not in ("kind", "format")}
    times = {key: datetime.fromisoformat(known[key]) for key in ("created", "expires")}
    lists = {key: tuple(known[key]) for key in ("only", "skip", "generated")}
    return SavedPlan(
        **{
            **known,
            **times,
            **lists,
            "changes": tuple(change_of(values) for values in known["changes"]),
            "fingerprint": Fingerprint(**known["fingerprint"]),
        }
    )


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def now_utc() -> datetime:
    """Return the time as plans have it: whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def _no_plan(path: Path, what: str) -> Problem:
    return Problem(where=str(path), what=what, remedy=_AGAIN, code="plan-unreadable")


def _tampered(path: Path) -> Problem:
    return Problem(
        where=str(path),
        what="it is not as it was saved: its digest does not match its content",
        remedy=f"find out who changed it, then {_AGAIN}",
        code="plan-tampered",
    )


def _not_from_here(path: Path) -> Problem:
    return Problem(
        where=str(path),
        what="its seal is not of this cluster's controller: it was altered, or made elsewhere",
        remedy=f"apply it where it was made, or {_AGAIN}",
        code="plan-seal",
    )
