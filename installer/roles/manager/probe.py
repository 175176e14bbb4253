"""Ask this manager's web server how it is; sent to the node as text, standard library only.

usage: probe.py login HOSTNAME CA PORT…   does it want to know who asks?
       probe.py works HOSTNAME CA PORT…   do its services, a broker and the primary answer it?
"""

import http.client
import socket
import ssl
import sys
from collections.abc import Sequence

_ANSWER_S = 10.0
_QUESTIONS = {  # path, and the answer that is good
    "login": ("/api/v3.1/status", http.client.UNAUTHORIZED),
    "works": ("/api/v3.1/ok", http.client.OK),
}


def status(hostname: str, ca: str, port: int, path: str) -> int:
    """Return the HTTP status of a request without credentials to this node."""
    context = ssl.create_default_context(cafile=ca)
    connection = http.client.HTTPSConnection(hostname, port, context=context)
    plain = socket.create_connection(("127.0.0.1", port), _ANSWER_S)
    connection.sock = context.wrap_socket(plain, server_hostname=hostname)
    connection.request("GET", path)
    return connection.getresponse().status


def main(words: Sequence[str]) -> int:
    """Say what each port answers; return 0 when all answers are good."""
    question, hostname, ca, *ports = words
    path, wanted = _QUESTIONS[question]
    answers = {}
    for port in ports:
        try:
            answers[port] = str(status(hostname, ca, int(port), path))
        except (OSError, http.client.HTTPException) as error:
            answers[port] = str(error)
    said = "; ".join(f"port {port}: {answer}" for port, answer in answers.items())
    sys.stdout.write(f"{path} on {said}\n")
    return 0 if all(answer == str(int(wanted)) for answer in answers.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
