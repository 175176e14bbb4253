"""/db-nodes: the PostgreSQL nodes of the cluster."""

from flask import Blueprint

from manager.rest.auth import authorize
from manager.rest.context import session
from manager.rest.envelope import Body, listing
from manager.services.cluster import list_database_nodes, remove_database_node
from manager.storage.models import DatabaseNode

blueprint = Blueprint("db_nodes", __name__)


@blueprint.get("/db-nodes")
@authorize("db_nodes_get")
def get_database_nodes() -> Body | list[Body]:
    """Answer the database nodes."""
    return listing(list_database_nodes(session()), _serialise)


@blueprint.delete("/db-nodes/<name>")
@authorize("cluster_manage")
def delete_database_node(name: str) -> Body:
    """Forget a database node that has left the cluster, and answer what it was."""
    return _serialise(remove_database_node(session(), name))


def _serialise(node: DatabaseNode) -> Body:
    return {"name": node.name, "host": node.host, "is_external": node.is_external}
