"""The `ctx` command of scripts: cloudify.proxy.client's arguments and protocol, fast to start.

It is written as a file of its own into a folder on the scripts' PATH and run by `python -IS`, so it
imports only what starts in milliseconds.
"""

import json
import os
import socket
import sys
from typing import Any, NoReturn

USAGE = "usage: ctx [-h] [-t TIMEOUT] [--socket-url URL] [--json-arg-prefix PREFIX] [-j] [args ...]"
_VALUED = {
    "-t": "timeout",
    "--timeout": "timeout",
    "--socket-url": "url",
    "--json-arg-prefix": "prefix",
}
_NOT_JSON = "__non_json_serializable_repr__"


def main(words: list[str]) -> None:
    """Send the command to the operation that runs this script, and print its answer."""
    options, args = parse(words)
    if not options["url"]:
        fail("Missing CTX_SOCKET_URL environment variable or socket_url command line argument")
    prefix = str(options["prefix"])
    values = [decode(word[1:]) if word.startswith(prefix) else word for word in args]
    reply = request(str(options["url"]), {"args": values}, float(options["timeout"]))
    sys.stdout.write(text_of(reply, as_json=bool(options["json"])))


def parse(words: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Return options and arguments, which may be mixed; after `--` all are arguments."""
    options: dict[str, Any] = {
        "timeout": 30, "url": os.environ.get("CTX_SOCKET_URL"), "prefix": "@", "json": False,
    }  # fmt: skip
    args: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if word == "--":
            args.extend(rest)
        elif word in ("-j", "--json-output"):
            options["json"] = True
        elif word in ("-h", "--help"):
            sys.stdout.write(USAGE + "\n")
            sys.exit(0)
        elif name in _VALUED:
            options[_VALUED[name]] = value if equals else next(rest, "")
        elif word.startswith("-t") and word[2:].isdigit():
            options["timeout"] = word[2:]
        elif word.startswith("-") and not is_number(word) and len(word) > 1 and " " not in word:
            sys.stderr.write(f"{USAGE}\nctx: error: unrecognized arguments: {word}\n")
            sys.exit(2)
        else:
            args.append(word)
    return options, args


def is_number(word: str) -> bool:
    """Tell whether a word that begins with a dash is a negative number, and so an argument."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def decode(text: str) -> Any:
    """Return the value of a JSON argument."""
    return json.loads(text, object_hook=lambda found: found.get(_NOT_JSON, found))


def request(url: str, command: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    """Post the command and return the reply."""
    scheme, _, place = url.partition("://")
    if scheme != "http":
        fail(f"Unsupported protocol: {scheme}")
    host, _, port = place.rstrip("/").rpartition(":")
    body = json.dumps(command).encode()
    head = f"POST / HTTP/1.0\r\nHost: {place}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout_s) as connection:
        connection.sendall(head.encode() + body)
        reply = b""
        while chunk := connection.recv(65536):
            reply += chunk
    headers, _, content = reply.partition(b"\r\n\r\n")
    if b" 200 " not in headers.split(b"\r\n", 1)[0]:
        fail(f"Request failed: {headers.decode(errors='replace')}")
    answer: dict[str, Any] = json.loads(content)
    return answer


def text_of(reply: dict[str, Any], *, as_json: bool) -> str:
    """Return what the command prints, or end as the reply demands."""
    payload = reply["payload"]
    if reply["type"] == "error":
        fail(f"{payload['type']}: {payload['message']}\n{payload.get('traceback') or ''}")
    if reply["type"] == "stop_operation":
        sys.stderr.write(f"{payload['message']}\n")
        sys.exit(1)
    if as_json:
        return json.dumps(payload)
    return str(payload) if payload else ""


def fail(message: str) -> NoReturn:
    """End with an error."""
    sys.stderr.write(f"{message}\n")
    sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
