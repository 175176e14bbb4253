"""The engine's side of `tree.py`: a process inside the sandbox's network, asked line by line."""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

from installer.engine.engine import Engine  # noqa: E402
from installer.engine.target import Target  # noqa: E402
from installer.state import ManagedFile, NodeState, Stage  # noqa: E402
from tests.benchmarks.tree import rendered  # noqa: E402


def stage(files, title):
    managed = tuple(
        ManagedFile(path=f"/etc/bench/{name}", content=text.encode())
        for name, text in rendered(files, title).items()
    )
    return Stage(name="bench", state=NodeState(files=managed))


def main():
    spec = json.loads(sys.argv[1])
    targets = [Target(*fields) for fields in spec["targets"]]
    names = [target.name for target in targets]
    engine = opened(targets)
    for line in sys.stdin:
        way, number = line.rsplit(maxsplit=1)
        if way == "cold":
            engine.close()
            seconds = cold(targets, spec["files"], number)
            engine = opened(targets)
        else:
            seconds = warm(engine, names, spec["files"], way, number)
        sys.stdout.write(f"{seconds}\n")
        sys.stdout.flush()
    engine.close()


def opened(targets):
    engine = Engine(targets).__enter__()
    assert not engine.connect()
    return engine


def cold(targets, files, number):
    """Return the seconds with connecting and closing."""
    start = time.monotonic()
    engine = opened(targets)
    warm(engine, [target.name for target in targets], files, "tree", f"cold {number}")
    engine.close()
    return time.monotonic() - start


def warm(engine, names, files, way, number):
    """Do it on every host and return the seconds; `unchanged` repeats what `tree` has written."""
    start = time.monotonic()
    wanted = stage(files, f"tree {number}")
    done = engine.on_each(names, lambda s: s.apply(wanted, s.observe([wanted])).changes)
    seconds = time.monotonic() - start
    assert all(outcome.value is not None for outcome in done.values()), done
    expected = 0 if way == "unchanged" else files
    assert {len(outcome.value) for outcome in done.values()} == {expected}
    return seconds


if __name__ == "__main__":
    main()
