"""Print the cluster's status and the nodes that fail, twice a second, until stdin ends.

usage: python -c TEXT URL CA, with a token as the first line of stdin
"""

import http.client
import json
import ssl
import sys
import threading
import time
from urllib.parse import urlsplit

EVERY_S = 0.5
PATIENCE_S = 5


def cluster_status(url, context, token):
    connection = http.client.HTTPSConnection(url.netloc, timeout=PATIENCE_S, context=context)
    try:
        connection.request("GET", url.path, headers={"Authentication-Token": token})
        reply = connection.getresponse()
        body = json.load(reply)
    finally:
        connection.close()
    if reply.status != http.client.OK:
        return {"failure": f"{reply.status} {body}"}
    failing = {
        name: node["failures"]
        for service in body["services"].values()
        for name, node in service.get("nodes", {}).items()
        if node["status"] != "OK"
    }
    return {"status": body["status"], "failing": failing}


def main(words):
    url, context = urlsplit(words[0]), ssl.create_default_context(cafile=words[1])
    token = sys.stdin.readline().strip()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.wait(EVERY_S):
        try:
            told = cluster_status(url, context, token)
        except (OSError, http.client.HTTPException, ValueError) as error:
            told = {"failure": repr(error)}
        sys.stdout.write(json.dumps({"time": time.time(), **told}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
