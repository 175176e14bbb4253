"""The server that scripts' `ctx` commands talk to: the original's protocol, without its waits."""

import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any

from cloudify.proxy.server import CtxProxy
from cloudify.state import current_ctx

_MOST_BYTES = 256 * 1024 * 1024


class LoopbackCtxProxy(CtxProxy):  # type: ignore[misc]
    """Serves one script; `socket_url` is what its environment tells it.

    The original's server looks every 0.1 s whether it shall stop, and goes through a web framework.
    """

    def __init__(self, ctx: Any) -> None:
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.proxy = self
        super().__init__(ctx, f"http://127.0.0.1:{self.server.server_address[1]}")
        self._thread = threading.Thread(target=self._serve, name="ctx proxy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving; requests that are being answered end with the process."""
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request: str) -> bytes:
        """Return the reply to a request of the `ctx` command."""
        with current_ctx.push(self.ctx):
            return str(self.process(request)).encode()

    def _serve(self) -> None:
        self.server.serve_forever(poll_interval=0.005)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    proxy: LoopbackCtxProxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a script that is killed drops its connection."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.0"

    def do_POST(self) -> None:
        """Answer a command."""
        length = int(self.headers.get("Content-Length", 0))
        if length > _MOST_BYTES:
            self.send_error(413)
            return
        body = self.server.proxy.answer(self.rfile.read(length).decode())
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the script's own events tell what it does."""
