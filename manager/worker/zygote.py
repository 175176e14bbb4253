"""The process that tasks are forked from: everything is imported, nothing runs in it.

`python -m manager.worker.zygote <fd>`: the worker holds the other end of the socket. A request is a
message with one descriptor, the task's own socket; replies tell when a task began and how it ended.
"""

import gc
import json
import logging
import os
import selectors
import signal
import socket
import sys
from typing import Any

from manager.worker import task

_MESSAGE_BYTES = 1024
_HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)

logger = logging.getLogger(__name__)


class Zygote:
    """Forks a process for each request; it has one thread, so a fork copies nothing half-done."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._tasks: dict[int, int] = {}  # by process id
        self._selector = selectors.DefaultSelector()
        self._signals, self._waker = socket.socketpair()

    def serve(self) -> None:
        """Fork until the worker is gone, then end what still runs: another worker repeats it."""
        self._watch_children()
        self._selector.register(self._control, selectors.EVENT_READ)
        while self._serve_once():
            continue
        for pid in self._tasks:
            kill_group(pid, signal.SIGKILL)

    def _serve_once(self) -> bool:
        for key, _ in self._selector.select():
            if key.fileobj is self._signals:
                self._signals.recv(_MESSAGE_BYTES)
                self._report_ended()
            elif not self._accept():
                return False
        return True

    def _watch_children(self) -> None:
        self._signals.setblocking(False)
        self._waker.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # so that it wakes the selector
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker decides when tasks end
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._signals, selectors.EVENT_READ)

    def _accept(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._control, _MESSAGE_BYTES, 1)
        if not message:
            return False
        number = json.loads(message)["task"]
        pid = os.fork()
        if pid == 0:
            self._become_task(descriptors[0])
        os.close(descriptors[0])
        self._tasks[pid] = number
        self._tell({"task": number, "pid": pid})
        return True

    def _become_task(self, descriptor: int) -> None:
        """Run the task in this fresh process and end it, whatever the task leaves behind."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in _HANDLED:
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            self._selector.close()
            for each in (self._control, self._signals, self._waker):
                each.close()
            with socket.socket(fileno=descriptor) as connection:
                task.serve(connection)
            status = 0
        except BaseException:
            logger.exception("a task process failed")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)  # threads and exit handlers of a plugin do not hold it back

    def _report_ended(self) -> None:
        while self._tasks:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = self._tasks.pop(pid, None)
            if number is not None:
                self._tell({"task": number, "exit": os.waitstatus_to_exitcode(status)})

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._control.send(json.dumps(message).encode())
        except BrokenPipeError:
            logger.debug("the worker is gone")  # the next read finds the same, and ends


def kill_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to a task with all that it has started, if it is still there."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        logger.debug("process group %d has ended", pid)


def main() -> None:
    """Serve the socket whose descriptor is the argument."""
    control = socket.socket(fileno=int(sys.argv[1]))
    task.preload()
    gc.collect()
    gc.freeze()  # a collection in a task would copy every page that it touches
    control.send(b"{}")  # ready
    Zygote(control).serve()


if __name__ == "__main__":
    main()
