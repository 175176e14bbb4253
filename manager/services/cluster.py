"""The nodes of the cluster as the database knows them: managers, brokers, databases."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from manager.errors import NotFound
from manager.storage.models import Broker, DatabaseNode, Manager, NodeReport


def list_managers(session: Session, hostname: str | None = None) -> list[Manager]:
    """Return the managers, or the one of that host name."""
    query = select(Manager).order_by(Manager.id)
    if hostname is not None:
        query = query.where(Manager.hostname == hostname)
    return list(session.scalars(query))


def list_brokers(session: Session) -> list[Broker]:
    """Return the brokers."""
    return list(session.scalars(select(Broker).order_by(Broker.name)))


def list_database_nodes(session: Session) -> list[DatabaseNode]:
    """Return the database nodes."""
    return list(session.scalars(select(DatabaseNode).order_by(DatabaseNode.name)))


def remove_manager(session: Session, hostname: str) -> Manager:
    """Forget a manager that left the cluster; raises NotFound when it is unknown."""
    manager = session.scalar(select(Manager).where(Manager.hostname == hostname))
    if manager is None:
        raise NotFound(f"Requested `Manager` with ID `{hostname}` was not found")
    session.delete(manager)
    _forget_reports(session, "manager", manager.private_ip)
    return manager


def remove_broker(session: Session, name: str) -> Broker:
    """Forget a broker that left the cluster; raises NotFound when it is unknown."""
    broker = session.get(Broker, name)
    if broker is None:
        raise NotFound(f"Requested `RabbitMQBroker` with ID `{name}` was not found")
    session.delete(broker)
    _forget_reports(session, "broker", broker.host)
    return broker


def remove_database_node(session: Session, name: str) -> DatabaseNode:
    """Forget a database node that left the cluster; raises NotFound when it is unknown."""
    node = session.get(DatabaseNode, name)
    if node is None:
        raise NotFound(f"Requested `DBNodes` with ID `{name}` was not found")
    session.delete(node)
    _forget_reports(session, "db", node.host)
    return node


def _forget_reports(session: Session, node_type: str, address: str) -> None:
    session.execute(
        delete(NodeReport).where(
            NodeReport.node_type == node_type, NodeReport.private_ip == address
        )
    )
