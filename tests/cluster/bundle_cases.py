"""Bring a bundle to hosts of a sandbox as a run does, in a process of its own: gevent comes first.

Run as `python -m tests.cluster.bundle_cases BUNDLE TARGETS`; the findings are JSON on stdout.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

from installer.bundle.catalogue import ROLES, release_named  # noqa: E402
from installer.bundle.model import load_bundle  # noqa: E402
from installer.bundle.use import BUNDLE_FOLDER, bundle_stages  # noqa: E402
from installer.engine.difference import difference  # noqa: E402
from installer.engine.engine import Engine  # noqa: E402
from installer.engine.target import Target  # noqa: E402
from installer.engine.transfer import Shipment, send_to_each  # noqa: E402
from installer.state import NodeState, Package, Stage  # noqa: E402


def work(session, stages):
    """Apply stages and their steps, and return how long each took."""
    seconds = {}
    for stage in stages:
        begun = time.monotonic()
        session.apply(stage, session.observe([stage]))
        for step in stage.steps:
            session.run_step(step)
        seconds[stage.name] = time.monotonic() - begun
    return seconds


def main():
    bundle = load_bundle(Path(sys.argv[1]))
    targets = [Target(*words) for words in json.loads(sys.argv[2])]
    sent = send_to_each(
        {
            target: Shipment(
                source=bundle.path, names=bundle.files_for(ROLES), destination=BUNDLE_FOLDER
            )
            for target in targets
        }
    )
    names = [n for role in ROLES for n in release_named(bundle.lock.release).roles[role]]
    packages = Stage(name="packages", state=NodeState(packages=tuple(map(Package, names))))
    findings = {}
    with Engine(targets) as engine:
        assert not engine.connect()
        for target in targets:
            session = engine.session(target.name)
            facts = session.observe(()).facts
            stages = (*bundle_stages(bundle, ROLES, facts), packages)
            seconds = work(session, stages)
            again = difference(stages, session.observe(stages))
            findings[target.name] = {
                "sent": sent[target.name].value.bytes,
                "seconds": seconds,
                "left": again.lines(),
            }
    print(json.dumps(findings))  # noqa: T201 - the test reads it


main()
