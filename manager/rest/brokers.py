"""/brokers: the RabbitMQ nodes of the cluster."""

from flask import Blueprint

from manager.rest.auth import authorize
from manager.rest.context import caller, services, session
from manager.rest.envelope import Body, listing
from manager.services.cluster import list_brokers, remove_broker
from manager.services.encryption import Sealer
from manager.storage.models import Broker

blueprint = Blueprint("brokers", __name__)


@blueprint.get("/brokers")
@authorize("broker_get")
def get_brokers() -> Body | list[Body]:
    """Answer the brokers; only administrators see the managers' credentials."""
    return listing(list_brokers(session()), _serialise)


@blueprint.delete("/brokers/<name>")
@authorize("cluster_manage")
def delete_broker(name: str) -> Body:
    """Forget a broker that has left the cluster, and answer what it was."""
    return _serialise(remove_broker(session(), name))


def _serialise(broker: Broker) -> Body:
    shown = caller().may("broker_credentials")
    sealer = Sealer.of(services().settings.security)
    return {
        "name": broker.name,
        "host": broker.host,
        "management_host": broker.management_host,
        "port": broker.port,
        "username": broker.username if shown else None,
        "password": sealer.open(broker.password) if shown else None,
        "params": broker.params,
        "networks": broker.networks,
        "is_external": broker.is_external,
        "ca_cert_content": broker.ca_cert_content,
    }
