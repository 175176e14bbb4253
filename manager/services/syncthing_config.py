"""What syncthing's configuration must say: a closed circle of managers and one folder.

Source: Syncthing, "Syncthing Configuration" and "Config Endpoints".
"""

from typing import Any
from xml.sax.saxutils import escape, quoteattr

from manager.settings import Settings, is_address

FOLDER_ID = "cloudify-resources"
IGNORED = ("/.incoming",)  # uploads that are not complete, files.tree.INCOMING
_RECONNECT_S = 5  # a manager that comes back is found again so soon; the default is 60


def options_patch(settings: Settings) -> dict[str, Any]:
    """Return the options that keep syncthing among the managers: no discovery, relays, NAT."""
    return {
        "listenAddresses": [_listener(settings.manager.private_ip, settings.file_sync.port)],
        "globalAnnounceEnabled": False,
        "localAnnounceEnabled": False,
        "relaysEnabled": False,
        "natEnabled": False,
        "urAccepted": -1,
        "crashReportingEnabled": False,
        "autoUpgradeIntervalH": 0,
        "startBrowser": False,
        "reconnectionIntervalS": _RECONNECT_S,
    }


def device_entry(
    device_id: str, hostname: str, private_ip: str, settings: Settings
) -> dict[str, Any]:
    """Return a manager's device; its certificate must be made out to its host name."""
    return {
        "deviceID": device_id,
        "name": hostname,
        "addresses": [_address(private_ip, settings.file_sync.port)],
        "certName": hostname,
        "compression": "metadata",
        "introducer": False,
        "autoAcceptFolders": False,
    }


def folder_entry(settings: Settings) -> dict[str, Any]:
    """Return the one folder, without its devices."""
    return {
        "id": FOLDER_ID,
        "label": FOLDER_ID,
        "path": str(settings.paths.resources),
        "type": "sendreceive",
        "fsWatcherEnabled": True,
        "fsWatcherDelayS": 1,  # of the default 10: a worker elsewhere needs the file now
        "rescanIntervalS": 300,  # what the watcher misses
        "ignorePerms": False,
    }


def initial_config(settings: Settings, device_id: str, api_key: str) -> str:
    """Return the config.xml that syncthing starts with; the rest comes by its API."""
    elements = {"listenAddress": options_patch(settings)["listenAddresses"][0]}
    for name, value in options_patch(settings).items():
        if name != "listenAddresses":
            elements[name] = str(value).lower()
    options = "".join(f"    <{name}>{escape(value)}</{name}>\n" for name, value in elements.items())
    return (
        '<configuration version="35">\n'
        f"  <device id={quoteattr(device_id)} name={quoteattr(settings.manager.hostname)}>\n"
        "    <address>dynamic</address>\n"
        "  </device>\n"
        '  <gui enabled="true" tls="false">\n'
        f"    <address>127.0.0.1:{settings.file_sync.api_port}</address>\n"
        f"    <apikey>{escape(api_key)}</apikey>\n"
        "  </gui>\n"
        f"  <options>\n{options}  </options>\n"
        "</configuration>\n"
    )


def _listener(host: str, port: int) -> str:
    """Return where to listen; a name may lead to loopback on its own host, so it is everywhere."""
    return _address(host if is_address(host) else "", port)


def _address(host: str, port: int) -> str:
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
