"""GET /provider/context: the context that bootstrapping left."""

from flask import Blueprint

from manager.errors import NotFound
from manager.rest.auth import authorize
from manager.rest.context import session
from manager.rest.envelope import Body
from manager.storage.models import ProviderContext

blueprint = Blueprint("provider_context", __name__)


@blueprint.get("/provider/context")
@authorize("provider_context_get")
def get_provider_context() -> Body:
    """Answer the cluster's provider context."""
    context = session().get(ProviderContext, "CONTEXT")
    if context is None:
        raise NotFound("Provider Context not found")
    return {"id": context.id, "name": context.name, "context": context.context}
