"""Send the files of a plugin, from this manager or from another that has them already."""

import zipfile

from flask import Response, request, send_file

from manager.errors import NotFound, Unavailable
from manager.files.tree import FileTree
from manager.files.write import draft
from manager.rest.context import services, session
from manager.rest.sending import send_local, send_remote
from manager.services.blueprint_files import fetcher
from manager.storage.models import Plugin


def send_one(plugin: Plugin, name: str) -> Response:
    """Answer one file of a plugin."""
    settings = services().settings
    folder = FileTree(settings.paths.resources).plugin(plugin.id)
    path = folder / name
    if path.is_file():
        return send_local(path, name)
    source = fetcher(session(), settings, folder, dict(request.headers))
    url = source.url_path(path)
    peer = source.files.find(url, source.peers, source.credentials, source.unsettled)
    if peer is None:
        raise NotFound(f"{name} of plugin {plugin.id} is on no manager")
    return send_remote(source.files, peer, url, name)


def send_all(plugin: Plugin) -> Response:
    """Answer a zip of all files of a plugin."""
    tree = FileTree(services().settings.paths.resources)
    folder = tree.plugin(plugin.id)
    if not (folder / plugin.archive_name).is_file():
        raise Unavailable("The plugin's files are still on their way to this manager")
    with draft(tree.incoming) as path:
        with zipfile.ZipFile(path, "x") as archive:  # stored: wheels are compressed already
            for file in sorted(folder.iterdir()):
                archive.write(file, file.name)
        opened = path.open("rb")  # its name goes with the draft, its content with the reply
    name = f"{plugin.package_name}.zip"
    return send_file(opened, "application/zip", as_attachment=True, download_name=name)
