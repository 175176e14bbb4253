"""The process that heals one fault after a while. Run as a module: NAME NUMBER SECONDS."""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import installer
from installer.sandbox.process import ProcessId, all_processes, identify, start_detached
from installer.sandbox.record import sandbox_dir

_MODULE = "installer.sandbox.watch"


def start_watcher(name: str, number: int, after_s: float) -> ProcessId:
    """Start the process that will heal this fault; it outlives us, and `down` ends it."""
    code = Path(installer.__file__).parent.parent  # a checkout need not be installed
    return start_detached(
        [sys.executable, "-m", _MODULE, name, str(number), str(after_s)],
        log=sandbox_dir(name) / "watch.log",
        environment={**os.environ, "PYTHONPATH": str(code)},
    )


def stop_watchers(name: str) -> None:
    """End every watcher of a sandbox, on record or not."""
    for pid in all_processes():
        with suppress(FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
            if words[1:4] == ["-m", _MODULE, name]:
                identify(pid).kill()


def main() -> None:
    """Wait for the given time, then heal the fault."""
    # imported here: `faults` starts watchers, so it imports this module
    from installer.sandbox.faults import heal_fault

    name, number, after_s = sys.argv[1:]
    time.sleep(float(after_s))  # time itself is what is waited for
    heal_fault(name, int(number))


if __name__ == "__main__":
    main()
