"""Ask this manager's web server for its status; sent to the node as text, standard library only.

usage: probe.py HOSTNAME CA PORT…
"""

import http.client
import socket
import ssl
import sys
from collections.abc import Sequence

_ANSWER_S = 10.0
_PATH = "/api/v3.1/status"


def status(hostname: str, ca: str, port: int) -> int:
    """Return the HTTP status of a request without credentials to this node."""
    context = ssl.create_default_context(cafile=ca)
    connection = http.client.HTTPSConnection(hostname, port, context=context)
    plain = socket.create_connection(("127.0.0.1", port), _ANSWER_S)
    connection.sock = context.wrap_socket(plain, server_hostname=hostname)
    connection.request("GET", _PATH)
    return connection.getresponse().status


def main(words: Sequence[str]) -> int:
    """Say what each port answers; return 0 when all want to know who asks."""
    hostname, ca, *ports = words
    answers = {}
    for port in ports:
        try:
            answers[port] = str(status(hostname, ca, int(port)))
        except (OSError, http.client.HTTPException) as error:
            answers[port] = str(error)
    said = "; ".join(f"port {port}: {answer}" for port, answer in answers.items())
    sys.stdout.write(f"{_PATH} on {said}\n")
    wanted = str(int(http.client.UNAUTHORIZED))
    return 0 if all(answer == wanted for answer in answers.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
