"""A process gives memory back that it no longer needs."""

import subprocess
import sys

# Threads that take and free blocks of a password hash's size, as the REST service's do at the first
# requests; prints how many MiB the process keeps while they live.
PROGRAM = """
import re, sys, threading
from pathlib import Path
from manager.memory import return_freed_memory

def resident_mib():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

def hash_passwords():
    for _ in range(2):
        block = bytearray(19 << 20)
        block[::4096] = bytes(len(block[::4096]))
        del block
    hashed.wait()
    measured.wait()

if sys.argv[1:] == ["return"]:
    return_freed_memory()
before, hashed, measured = resident_mib(), threading.Barrier(5), threading.Barrier(5)
for _ in range(4):
    threading.Thread(target=hash_passwords).start()
hashed.wait()
print(resident_mib() - before)
measured.wait()
"""


def kept_mib(*words):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def test_threads_do_not_keep_what_they_freed():
    assert kept_mib("return") < 5
