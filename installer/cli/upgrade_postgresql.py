"""`cfy_manager cluster upgrade --postgresql`: to another major version, back, or for good."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from installer.actions.major import (
    MajorRequest,
    Upgraded,
    plan_postgresql,
    remove_old_postgresql,
    roll_back_postgresql,
    upgrade_postgresql,
)
from installer.errors import Refused
from installer.report import print_text, report_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be done in place of the upgrade."""

    dry_run: bool
    roll_back: bool
    remove_old: bool


def change_postgresql(
    path: Path, request: MajorRequest, wish: Wish, *, lose_writes: bool, as_json: bool
) -> None:
    """Do what the operator asked, and tell what is next."""
    if wish.dry_run:
        _show(path, request.wanted)
        return
    report, verb = report_for(as_json=as_json), "upgrade"
    if wish.roll_back:
        done, verb = roll_back_postgresql(path, report, lose_writes=lose_writes), "roll-back"
    elif wish.remove_old:
        done, verb = remove_old_postgresql(path, report), "remove-old"
    else:
        done = upgrade_postgresql(path, request, report)
    if as_json:
        print_text(json.dumps({"kind": f"postgresql-{verb}", **asdict(done)}))
        return
    print_text("\n".join(_lines(path, verb, done)))


def _show(path: Path, wanted: int) -> None:
    before, problems = plan_postgresql(path, wanted)
    if problems:
        raise Refused(*problems)
    if before == wanted:
        print_text(f"PostgreSQL {wanted} runs; nothing to upgrade.")
        return
    print_text(
        f"PostgreSQL {before} can become {wanted}. Nobody can read or write meanwhile; "
        f"the data of {before} stay on every node until --remove-old."
    )


def _lines(path: Path, verb: str, done: Upgraded) -> list[str]:
    if done.before == done.now:
        return [f"PostgreSQL {done.now} runs; nothing to upgrade."]
    words = f"cfy_manager cluster upgrade -i {path} --postgresql"
    still = f" Nobody could read or write for {done.stood_still_s or 0:.0f} s."
    if verb == "remove-old":
        return [f"Nothing of PostgreSQL {done.before} is left."]
    if verb == "roll-back":
        return [
            f"PostgreSQL {done.now} runs again, with what it had.{still}",
            f"Next: cfy_manager cluster status -i {path}",
        ]
    return [
        f"PostgreSQL {done.now} runs; every replica follows.{still}",
        f"Next: cfy_manager cluster status -i {path}",
        f"The data of {done.before} are kept. `{words} {done.now} --remove-old` removes them;",
        f"`{words} {done.now} --roll-back --lose-writes` goes back and loses what came since.",
    ]
