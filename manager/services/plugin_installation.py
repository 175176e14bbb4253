"""Tell the managers' workers to install and uninstall plugins."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from manager.errors import BadParameters
from manager.services.authentication import Caller
from manager.services.dispatch import dispatch_service
from manager.services.plugins import Place, set_plugin_state
from manager.services.tokens import create_token
from manager.services.workflow_context import REST_PORT, rest_hosts
from manager.storage.models import Plugin

Item = Mapping[str, Any]  # the plugin as clients see it
_TOKEN_FOR = timedelta(hours=1)  # an installation that takes longer has failed


def install_plugin(
    session: Session, caller: Caller, plugin: Plugin, item: Item, places: Sequence[Place]
) -> None:
    """Have a plugin installed at some places, which are pending from now on."""
    if not places:
        raise BadParameters("Specify managers or agents to install the plugin on")
    for place in places:
        set_plugin_state(session, plugin, place, "pending-install")
    names = [place.manager or place.agent for place in places]
    kwargs = _kwargs(session, caller, item, "install")
    dispatch_service(session, "install-plugin", {**kwargs, "target": names})


def uninstall_plugin(session: Session, caller: Caller, item: Item) -> None:
    """Have a plugin removed wherever it is installed."""
    if item["installation_state"]:
        dispatch_service(session, "uninstall-plugin", _kwargs(session, caller, item, "uninstall"))


def _kwargs(session: Session, caller: Caller, item: Item, what: str) -> dict[str, Any]:
    _, token = create_token(
        session,
        caller.user_id,
        f"{what} of plugin {item['package_name']}",
        datetime.now(UTC) + _TOKEN_FOR,
    )
    return {
        "plugin": {name: _plain(value) for name, value in item.items()},
        "rest_host": rest_hosts(session),
        "rest_port": REST_PORT,
        "rest_token": str(token),
        "tenant": {"name": item["tenant_name"]},
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
