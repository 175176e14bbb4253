"""Run a small blueprint's script over and over, and print each execution that was accepted.

usage: python -c TEXT URL CA NAME, with the token as the first line of stdin; stdin's end ends it.

An execution is waited for until it has ended; its status is printed too.
"""

import http.client
import io
import json
import ssl
import sys
import tarfile
import threading
import time
from urllib.parse import urlsplit

PATIENCE_S = 30
AGAIN_S = 0.5
ENDED = ("terminated", "failed", "cancelled")
BLUEPRINT = """\
tosca_definitions_version: cloudify_dsl_1_3
imports: [cloudify/types/types.yaml]
node_templates:
  probe:
    type: cloudify.nodes.Root
    interfaces:
      work:
        count: {implementation: count.sh, executor: central_deployment_agent}
"""
SCRIPT = "#!/bin/sh\nctx logger info counted\n"


def say(**words):
    sys.stdout.write(json.dumps({"time": time.time(), **words}) + "\n")
    sys.stdout.flush()


class Api:
    """The REST API behind the load balancer."""

    def __init__(self, url, ca, token):
        self._host = urlsplit(url).netloc
        self._context = ssl.create_default_context(cafile=ca)
        self._headers = {"Authentication-Token": token, "Tenant": "default_tenant"}

    def ask(self, method, path, body=None):
        """Return status and JSON; raises OSError when nobody answers."""
        is_json = isinstance(body, dict)
        kind = "application/json" if is_json else "application/octet-stream"
        connection = http.client.HTTPSConnection(
            self._host, timeout=PATIENCE_S, context=self._context
        )
        try:
            data = json.dumps(body).encode() if is_json else body
            headers = {**self._headers, "Content-Type": kind}
            connection.request(method, f"/api/v3.1{path}", data, headers)
            reply = connection.getresponse()
            content = reply.read()
            return reply.status, json.loads(content) if content else None
        except (http.client.HTTPException, ValueError) as error:
            raise OSError(repr(error)) from error
        finally:
            connection.close()

    def surely(self, method, path, body=None):
        """Return what a manager answers in the end; a refusal ends the program."""
        while True:
            try:
                status, found = self.ask(method, path, body)
            except OSError as error:
                status, found = 0, repr(error)
            if 0 < status < 400:
                return found
            if 400 <= status < 500:
                raise SystemExit(f"{method} {path}: {status} {found}")
            say(failure=f"{method} {path}: {status} {found}"[:200])
            time.sleep(AGAIN_S)

    def end_of(self, execution):
        """Wait for an execution's end and return its status."""
        while True:
            found = self.surely("GET", f"/executions/{execution}?_include=status")
            if found["status"] in ENDED:
                return found["status"]
            time.sleep(AGAIN_S)


def archive():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as opened:
        for name, text in (("blueprint.yaml", BLUEPRINT), ("count.sh", SCRIPT)):
            member = tarfile.TarInfo(f"traffic/{name}")
            member.size, member.mode = len(text), 0o755
            opened.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def prepare(api, name):
    """Bring the blueprint to a deployment that is installed."""
    path = f"/blueprints/{name}?application_file_name=blueprint.yaml"
    api.surely("PUT", path, archive())
    while api.surely("GET", f"/blueprints/{name}?_include=state")["state"] != "uploaded":
        time.sleep(AGAIN_S)
    api.surely("PUT", f"/deployments/{name}", {"blueprint_id": name})
    made = f"/executions?deployment_id={name}&_include_system_workflows=true"
    while not (items := api.surely("GET", made)["items"]):
        time.sleep(AGAIN_S)
    api.end_of(items[0]["id"])
    install = {"deployment_id": name, "workflow_id": "install"}
    api.end_of(api.surely("POST", "/executions", install)["id"])


def count(api, name, number):
    """Run the script once; what becomes of a request that nobody answered stays unknown."""
    body = {
        "deployment_id": name,
        "workflow_id": "execute_operation",
        "parameters": {"operation": "work.count"},
        "force": True,  # beside one that was accepted without a word
    }
    try:
        status, found = api.ask("POST", "/executions", body)
    except OSError as error:
        status, found = 0, repr(error)
    if not 0 < status < 400:
        say(failure=f"{status} {found}"[:200])
        return
    say(number=number, execution=found["id"])
    say(execution=found["id"], ended=api.end_of(found["id"]))


def main(url, ca, name):
    api = Api(url, ca, sys.stdin.readline().strip())
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    prepare(api, name)
    number = 0
    while not ended.wait(AGAIN_S):
        number += 1
        count(api, name, number)


if __name__ == "__main__":
    main(*sys.argv[1:])
