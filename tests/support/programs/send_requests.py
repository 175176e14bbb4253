"""Send a GET every 100 ms, each over a connection of its own, and print how each ended.

usage: python -c TEXT URL CA, with the token as the first line of stdin; stdin's end ends it.
"""

import http.client
import json
import ssl
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

EVERY_S = 0.1
PATIENCE_S = 30
THREADS = 200  # a request that waits must not hold up the next ones


def send(url, context, token):
    connection = http.client.HTTPSConnection(url.netloc, timeout=PATIENCE_S, context=context)
    try:
        connection.request("GET", url.path, headers={"Authentication-Token": token})
        reply = connection.getresponse()
        return str(reply.status), reply.read()
    finally:
        connection.close()


def tell(url, context, token):
    began = time.time()
    try:
        ended, _ = send(url, context, token)
    except (OSError, http.client.HTTPException) as error:
        ended = repr(error)
    words = {"time": began, "seconds": time.time() - began, "ended": ended}
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def main(words):
    url, context = urlsplit(words[0]), ssl.create_default_context(cafile=words[1])
    token = sys.stdin.readline().strip()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    with ThreadPoolExecutor(THREADS) as pool:
        while not ended.wait(EVERY_S):
            pool.submit(tell, url, context, token)


if __name__ == "__main__":
    main(sys.argv[1:])
