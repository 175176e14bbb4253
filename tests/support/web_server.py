"""nginx with the product's own files, moved from /etc to a folder and to one loopback address."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from installer.roles.manager.model import KeyPair, Site, WebServer
from installer.roles.manager.web import web_state
from tests.support.processes import Program

CLIENT_PORT, INTERNAL_PORT, PLAIN_PORT = 8443, 53333, 8080
_LOG_TARGET = "syslog:server=unix:/dev/log,nohostname,tag=nginx"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass
class WebServerOnLoopback:
    """The web server in front of a REST service on 127.0.0.1."""

    home: Path
    address: str
    pair: KeyPair
    rest_port: int
    manager_home: Path  # what is /opt/manager on a node
    name: str = "manager-1"
    ca: bytes | None = None  # what it verifies other managers with, if there are any
    program: Program = field(init=False)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True)
        for file in web_state(self._settings()).files:
            if file.path.startswith("/etc/nginx/"):
                self._write(file.path.removeprefix("/etc/nginx/"), file.content)
        conf = self.home / "nginx.conf"
        self.program = Program(
            "nginx",
            ["nginx", "-e", "stderr", "-c", str(conf), "-g", f"daemon off;{_user()}"],
            self.home / "nginx.log",
        )

    def _settings(self) -> WebServer:
        ports = (CLIENT_PORT, INTERNAL_PORT)
        site = Site(
            name=self.name, label="internal", ports=ports, default_ports=ports, pair=self.pair
        )
        return WebServer(
            sites=(site,),
            rest_port=self.rest_port,
            worker_processes="2",
            worker_connections=1024,
            max_open_fds=4096,
            rate_limit=None,
            trusted_proxies=(),
            ca=self.ca,
        )

    def _write(self, name: str, content: bytes) -> None:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        is_template = name.endswith(".conf")
        path.write_text(self._moved(content.decode()) if is_template else content.decode())

    def _moved(self, text: str) -> str:
        """Return a rendered file with this folder's paths and this address's ports."""
        temporary = "".join(f"\n    {name}_temp_path {self.home}/tmp;" for name in _TEMPORARY)
        changes = {
            "/etc/nginx/mime.types": "@mime@",
            "/etc/nginx": str(self.home),
            "@mime@": "/etc/nginx/mime.types",
            "/run/nginx": str(self.home),
            "/opt/manager": str(self.manager_home),
            _LOG_TARGET: f"{self.home}/access.log",
            "listen 80 ": f"listen {self.address}:{PLAIN_PORT} ",
            "http {": "http {" + temporary,
        }
        for port in (CLIENT_PORT, INTERNAL_PORT):
            changes[f"listen {port} "] = f"listen {self.address}:{port} "
        for old, new in changes.items():
            text = text.replace(old, new)
        return text

    def begin(self) -> None:
        """Start it without waiting for it."""
        self.program.start()

    def requests(self) -> int:
        """Return how many requests it has answered."""
        log = self.home / "access.log"
        return len(log.read_bytes().splitlines()) if log.exists() else 0


def _user() -> str:
    """The files are root's where root runs the tests: the workers stay root then."""
    return " user root;" if os.geteuid() == 0 else ""
