"""/managers: the managers of the cluster."""

from flask import Blueprint, request

from manager.rest.auth import authorize
from manager.rest.context import session
from manager.rest.envelope import Body, listing, timestamp
from manager.services.cluster import list_managers, remove_manager
from manager.storage.models import Manager

blueprint = Blueprint("managers", __name__)


@blueprint.get("/managers")
@authorize("manager_get")
def get_managers() -> Body | list[Body]:
    """Answer the managers, or the one whose `hostname` is asked for."""
    return listing(list_managers(session(), request.args.get("hostname")), _serialise)


@blueprint.delete("/managers/<hostname>")
@authorize("cluster_manage")
def delete_manager(hostname: str) -> Body:
    """Forget a manager that has left the cluster, and answer what it was."""
    return _serialise(remove_manager(session(), hostname))


def _serialise(manager: Manager) -> Body:
    return {
        "id": manager.id,
        "hostname": manager.hostname,
        "private_ip": manager.private_ip,
        "public_ip": manager.public_ip,
        "version": manager.version,
        "edition": manager.edition,
        "distribution": manager.distribution,
        "distro_release": manager.distro_release,
        "fs_sync_node_id": manager.fs_sync_node_id,
        "networks": manager.networks,
        "last_seen": timestamp(manager.last_seen),
        "status_report_frequency": 0,
        "ca_cert_content": manager.ca_cert_content,
    }
