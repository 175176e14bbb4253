"""nginx in front of the REST service: its files and its unit."""

from installer.roles.manager.model import WEB_TLS, Site, WebServer
from installer.state import Directory, ManagedFile, NodeState, Package, Unit
from installer.templates import render

NGINX = "nginx.service"
WEB_USER = "www-data"  # Debian's; nginx never runs as root here
_HARDENING = f"/etc/systemd/system/{NGINX}.d/20-hardening.conf"
_LOCATIONS = "/etc/nginx/cloudify/locations.conf"


def web_packages(web: WebServer) -> NodeState:
    """Return the package, which starts nothing before its configuration is ours."""
    condition = ManagedFile(
        path=f"/etc/systemd/system/{NGINX}.d/10-configured.conf",
        content=render("manager/10-configured.conf.j2", path=_LOCATIONS),
        before_packages=True,
    )
    hardening = ManagedFile(
        path=_HARDENING, content=render("manager/20-nginx.conf.j2", web=web), before_packages=True
    )
    return NodeState(packages=(Package("nginx"),), files=(condition, hardening))


def web_state(web: WebServer) -> NodeState:
    """Return nginx with its sites; a new configuration or certificate does not cut connections."""
    files = (
        ManagedFile(path="/etc/nginx/nginx.conf", content=render("manager/nginx.conf.j2", web=web)),
        ManagedFile(
            path=_LOCATIONS,
            content=render("manager/locations.conf.j2", web=web),
        ),
        *((ManagedFile(path=web.ca_path, content=web.ca),) if web.ca else ()),
        *(file for site in web.sites for file in _certificate(site)),
    )
    return NodeState(
        directories=(Directory(path=WEB_TLS, owner="root", group=WEB_USER, mode=0o750),),
        files=files,
        units=(
            Unit(
                name=NGINX,
                restart_on=(_HARDENING,),
                reload_on=tuple(file.path for file in files),
                one_at_a_time=True,
            ),
        ),
    )


def _certificate(site: Site) -> tuple[ManagedFile, ...]:
    return (
        ManagedFile(path=site.certificate_path, content=site.pair.certificate),
        ManagedFile(
            path=site.key_path,
            content=site.pair.key,
            owner=WEB_USER,
            mode=0o400,  # nginx is its only reader
            secret=True,
        ),
    )
