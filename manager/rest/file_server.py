"""/resources: the file tree. nginx sends found files; everything else about them is here.

nginx asks `file-server-auth` first. Its answer says whether the caller may, and with a header where
the file is: in this manager's tree, nowhere, or to be asked of `/resources` here.
"""

from pathlib import Path

from flask import Blueprint, Flask, Response, g, jsonify, request
from flask.typing import ResponseReturnValue

from manager.errors import BadParameters, NotFound
from manager.files.peers import HOP_HEADER, PeerFiles, PeerSilent, peer_files
from manager.rest.arguments import flag_argument
from manager.rest.auth import request_credentials
from manager.rest.context import services, session
from manager.rest.folders import send_archive, send_listing
from manager.rest.sending import caller_headers, send_local, send_remote
from manager.rest.uploads import request_upload
from manager.services.file_access import Place, authorize_place, place_of
from manager.services.folder_changes import delete_file, store_file
from manager.services.folder_writes import Sources, sources_of

blueprint = Blueprint("file_server", __name__)
_SOURCE_HEADER = "X-File-Source"
_PREFIX = "/resources/"
_METHODS = ["GET", "PUT", "POST", "DELETE"]


@blueprint.get("/file-server-auth")
def get_auth() -> ResponseReturnValue:
    """Answer whether the request that nginx has at hand may go on, and where its file is."""
    credentials, place = request_credentials(), _original_place()
    authenticate = services().authenticator.authenticate
    is_read = request.headers.get("X-Original-Method", "GET") in ("GET", "HEAD")
    with services().database.session() as g.session:
        if place is None:
            authenticate(g.session, credentials)
            return "", 200, {_SOURCE_HEADER: "absent"}
        try:
            authorize_place(g.session, authenticate, credentials, place, to_write=not is_read)
        except NotFound:
            return "", 200, {_SOURCE_HEADER: "absent"}
        return "", 200, {_SOURCE_HEADER: _source(place) if is_read else "service"}


@blueprint.route("/file-server-proxy", methods=_METHODS)
@blueprint.route("/file-server-proxy/<path:path>", methods=_METHODS)
def proxy(path: str = "") -> ResponseReturnValue:
    """Do what the same request below /resources does."""
    below = _raw_path().partition("/file-server-proxy")[2].removeprefix("/")
    place = place_of(below.removeprefix("resources/")) if below else _original_place()
    if place is None:
        raise NotFound("The request names no path below /resources")
    return _serve(place)


def register(app: Flask) -> None:
    """Serve /resources beside the API, for nginx and for the workers of this manager."""
    app.add_url_rule(f"{_PREFIX}<path:path>", view_func=_resources, methods=_METHODS)


def _resources(path: str) -> ResponseReturnValue:
    return _serve(place_of(_raw_path().removeprefix(_PREFIX)))


def _serve(place: Place) -> ResponseReturnValue:
    to_write = request.method in ("PUT", "POST", "DELETE")
    with services().database.session() as g.session:
        g.caller = authorize_place(
            g.session,
            services().authenticator.authenticate,
            request_credentials(),
            place,
            to_write=to_write,
        )
        if not to_write:
            return _get(place)
    return _delete(place) if request.method == "DELETE" else _put(place)


def _get(place: Place) -> Response:
    sources = _sources(place)
    if sources.are_newer and (reply := _from_newest(place, sources)):
        return reply
    path = place.path(services().settings.paths.resources)
    if path.is_file() and not place.is_folder:
        return send_local(path)
    if path.is_dir():
        return _folder(path)
    files = _peer_files()
    peer = files.find(place.url_path, sources.peers, caller_headers(), sources.unsettled)
    if peer is not None:
        return send_remote(files, peer, _with_query(place))
    if place.is_owner and place.kind.is_noted:  # nobody has written into it yet
        return _folder(path)
    raise NotFound(f"{_PREFIX}{place.url_path} was not found")


def _folder(path: Path) -> Response:
    return send_archive(path) if flag_argument("archive") else send_listing(path)


def _from_newest(place: Place, sources: Sources) -> Response | None:
    """Return the answer of the manager that has just written, or None when it has none."""
    try:
        peer = _peer_files().find(place.url_path, sources.peers[:1], caller_headers())
    except PeerSilent:
        return None
    return send_remote(_peer_files(), peer, _with_query(place)) if peer else None


def _put(place: Place) -> ResponseReturnValue:
    must_extract = flag_argument("extract")
    with request_upload() as upload, services().database.session() as g.session:
        if upload.size is None:
            raise BadParameters("The request has no file")
        store_file(session(), services().settings, place, upload, must_extract=must_extract)
    return jsonify(None), 200


def _delete(place: Place) -> ResponseReturnValue:
    with services().database.session() as g.session:
        sources = _sources(place)
        found = delete_file(session(), services().settings, place)
    for peer in sources.peers:
        if peer.hostname in sources.unsettled:  # replication would bring the file back
            found = _peer_files().delete(place.url_path, peer, caller_headers()) or found
    if not found:
        raise NotFound(f"{_PREFIX}{place.url_path} was not found")
    return "", 204


def _source(place: Place) -> str:
    path = place.path(services().settings.paths.resources)
    sources = _sources(place)
    if sources.are_newer or place.is_folder:
        return "service"
    if path.is_file():
        return "local"
    return "service" if sources.peers or path.is_dir() else "absent"


def _sources(place: Place) -> Sources:
    if HOP_HEADER in request.headers:  # another manager asks: it knows the others itself
        return Sources()
    hostname = services().settings.manager.hostname
    return sources_of(session(), hostname, place.folder, is_noted=place.kind.is_noted)


def _peer_files() -> PeerFiles:
    manager = services().settings.manager
    return peer_files(manager.ca_path, manager.internal_rest_port)


def _original_place() -> Place | None:
    raw = request.headers.get("X-Original-URI", "").partition("?")[0]
    if not raw.startswith(_PREFIX):
        return None
    try:
        return place_of(raw.removeprefix(_PREFIX))
    except NotFound:
        return None


def _raw_path() -> str:
    """Return the request's path as it was sent: names are checked before anything decodes them."""
    raw = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.path
    return str(raw).partition("?")[0]


def _with_query(place: Place) -> str:
    query = request.query_string.decode("latin-1")
    return f"{place.url_path}?{query}" if query else place.url_path
