"""What test_processes.py has run in task processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path


def add(a, b):
    return a + b


def whoami():
    return {"pid": os.getpid(), "group": os.getpgid(0), "threads": threading.active_count()}


def repeat(text, times):
    return text * times


def fail(message):
    raise ValueError(message)


def unserializable():
    return object()


def vanish(status):
    os._exit(status)


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


def leave(code):
    sys.exit(code)


def hang(seconds, stubborn=False, note=None):
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", str(seconds)])
    if note:
        Path(note).write_text(str(child.pid))
    time.sleep(seconds)


def leave_a_thread():
    threading.Thread(target=time.sleep, args=(60,)).start()
    return "done"


def leave_a_server(note):
    child = subprocess.Popen(["sleep", "60"])
    Path(note).write_text(str(child.pid))
    return child.pid
