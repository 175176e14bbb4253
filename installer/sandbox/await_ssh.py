"""Wait until SSH daemons greet. Runs as a process of its own, inside a sandbox's network.

Arguments: seconds, addresses. Prints the addresses that did not answer; needs only the standard
library, since it is started by path in isolated mode.
"""

import socket
import sys
import time

_RETRY_S = 0.05  # a host that refuses is booting: ask again soon


def silent_addresses(addresses: set[str], timeout_s: float, port: int = 22) -> set[str]:
    """Return the addresses whose SSH did not greet within the time."""
    deadline = time.monotonic() + timeout_s
    missing = set(addresses)
    while missing and time.monotonic() < deadline:
        missing = {address for address in sorted(missing) if not _greets(address, port)}
        if missing:
            time.sleep(_RETRY_S)
    return missing


def _greets(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


if __name__ == "__main__":
    silent = silent_addresses(set(sys.argv[2:]), float(sys.argv[1]))
    sys.stdout.write(" ".join(sorted(silent)))
    sys.exit(1 if silent else 0)
