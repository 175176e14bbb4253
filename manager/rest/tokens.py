"""/tokens: make, list and revoke authentication tokens."""

from flask import Blueprint

from manager.rest.arguments import moment
from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, included, json_object, listing, timestamp
from manager.services.tokens import create_token, get_token, list_tokens
from manager.storage.models import Token

blueprint = Blueprint("tokens", __name__)


@blueprint.post("/tokens")
@authorize("create_token")
def create() -> Body:
    """Make a token of the caller, and answer its value, which is shown only now."""
    body = json_object()
    expires = body.get("expiration_date")
    expires_at = None if expires is None else moment("expiration_date", str(expires))
    token, value = create_token(session(), caller().user_id, body.get("description"), expires_at)
    return {**_serialise(token), "value": str(value)}


@blueprint.get("/tokens")
@authorize("list_token")
def get_all() -> Body | list[Body]:
    """Answer the caller's tokens; an administrator's are all."""
    return listing(list_tokens(session(), _owner_id()), _serialise)


@blueprint.get("/tokens/<token_id>")
@authorize("list_token")
def get_one(token_id: str) -> Body:
    """Answer a token of the caller."""
    return included(_serialise(get_token(session(), token_id, _owner_id())))


@blueprint.delete("/tokens/<token_id>")
@authorize("delete_token")
def delete(token_id: str) -> tuple[str, int]:
    """Revoke a token of the caller."""
    session().delete(get_token(session(), token_id, _owner_id()))
    return "", 204


def _owner_id() -> int | None:
    return None if caller().is_admin else caller().user_id


def _serialise(token: Token) -> Body:
    return {
        "id": token.id,
        "username": token.user.username,
        "value": f"ctok-{token.id}-********",
        "role": token.user.role,
        "expiration_date": timestamp(token.expires_at),
        "last_used": timestamp(token.last_used_at),
        "description": token.description,
    }
