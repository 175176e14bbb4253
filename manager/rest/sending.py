"""Send files of the tree: nginx does, and the service itself where no nginx asks."""

from pathlib import Path
from urllib.parse import quote

from flask import Response, request, send_file

from manager.errors import NotFound
from manager.files.peers import Peer, PeerFiles, chunks
from manager.files.tree import FileTree
from manager.rest.context import services

_OFFER_HEADER = "X-Sendfile-Type"  # nginx sets it, and takes a client's away
_REDIRECT = "X-Accel-Redirect"
_LOCAL, _PEER = "/resources-local", "/resources-peer"
_COPIED = ("Content-Type", "Content-Length", "Last-Modified", "ETag")


def send_local(path: Path, download_name: str | None = None) -> Response:
    """Answer a file of this manager's tree."""
    if _nginx_asks():
        relative = FileTree(services().settings.paths.resources).relative(path)
        return _redirect(f"{_LOCAL}/{quote(relative)}", download_name)
    return send_file(
        path,
        mimetype="application/octet-stream",
        as_attachment=download_name is not None,
        download_name=download_name,
        conditional=True,
    )


def send_remote(
    files: PeerFiles, peer: Peer, path: str, download_name: str | None = None
) -> Response:
    """Answer another manager's answer to a GET of a quoted path, which may have a query."""
    if _nginx_asks():
        response = _redirect(_PEER, download_name)
        response.headers["X-Peer"] = peer.located().url_host
        response.headers["X-Peer-Name"] = peer.hostname
        response.headers["X-Peer-Path"] = path
        return response
    reply = files.open(path, peer, caller_headers())
    if not reply.ok:
        reply.close()
        raise NotFound(f"/resources/{path} was not found")
    response = Response(chunks(reply), content_type="application/octet-stream")
    response.call_on_close(reply.close)
    for name in _COPIED:
        if name in reply.headers:
            response.headers[name] = reply.headers[name]
    if download_name is not None:
        response.headers.set("Content-Disposition", "attachment", filename=download_name)
    return response


def caller_headers() -> dict[str, str]:
    """Return the request's headers, by which other managers know the caller too."""
    return dict(request.headers)


def _nginx_asks() -> bool:
    return request.headers.get(_OFFER_HEADER) == _REDIRECT


def _redirect(target: str, download_name: str | None) -> Response:
    response = Response(headers={_REDIRECT: target}, content_type="application/octet-stream")
    if download_name is not None:
        response.headers.set("Content-Disposition", "attachment", filename=download_name)
    return response
