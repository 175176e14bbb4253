"""/cluster-status: take reports from nodes, and tell the state of the cluster."""

from flask import Blueprint, request

from manager.rest.arguments import flag
from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, json_object
from manager.services.cluster_model import Health, NodeType
from manager.services.cluster_status import cluster_status
from manager.services.reports import cluster_services, parse_report, save_report

blueprint = Blueprint("cluster_status", __name__)


@blueprint.get("/cluster-status")
@authorize("cluster_status_get")
def get_cluster_status() -> tuple[Body, int]:
    """Answer the state of the cluster; a `summary` of a failing one is a 500 for monitors."""
    status = cluster_status(*cluster_services(session()))
    if not flag(request.args.get("summary", False)):
        return status, 200
    failing = status["status"] is Health.FAIL
    return {"status": status["status"], "services": {}}, 500 if failing else 200


@blueprint.put("/cluster-status/<any(manager, db, broker):node_type>/<node_id>")
@authorize()
def put_report(node_type: str, node_id: str) -> Body:
    """Store a node's report as its last one."""
    caller().require(f"{node_type}_cluster_status_put")
    save_report(session(), parse_report(NodeType(node_type), node_id, json_object()))
    return {}
