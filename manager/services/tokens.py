"""Authentication tokens: `ctok-<id>-<secret>`, of which the database knows a hash."""

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from manager.errors import BadParameters, NotFound
from manager.storage.models import Token, User

_ALPHABET = string.ascii_letters + string.digits
_FORM = re.compile(r"ctok-([A-Za-z0-9]{6,32})-([A-Za-z0-9_]{20,128})")


@dataclass(frozen=True, slots=True)
class TokenValue:
    """A token as its owner presents it."""

    id: str
    secret: str = field(repr=False)

    def __str__(self) -> str:
        return f"ctok-{self.id}-{self.secret}"

    @property
    def secret_hash(self) -> str:
        """Return what is stored; the secret is random and long, so one fast hash is enough."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def is_of(self, secret_hash: str) -> bool:
        """Tell whether the secret is the one that was hashed."""
        return hmac.compare_digest(self.secret_hash, secret_hash)


def parse_token(text: str) -> TokenValue | None:
    """Return the token that `text` spells, or None when it has another form."""
    match = _FORM.fullmatch(text)
    return TokenValue(match[1], match[2]) if match else None


def generate_token() -> TokenValue:
    """Return a new random token."""
    return TokenValue(_random(10), _random(40))


def create_token(
    session: Session, user_id: int, description: str | None, expires_at: datetime | None
) -> tuple[Token, TokenValue]:
    """Store a new token of the user and return it with its value, which is shown only now."""
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise BadParameters("The expiration date of a token must be in the future")
    value = generate_token()
    token = Token(
        id=value.id,
        user=session.get_one(User, user_id),
        secret_hash=value.secret_hash,
        description=description,
        expires_at=expires_at,
    )
    session.add(token)
    session.flush()
    return token, value


def list_tokens(session: Session, owner_id: int | None) -> list[Token]:
    """Return the tokens of one user, or of all when `owner_id` is None."""
    query = select(Token).options(joinedload(Token.user)).order_by(Token.created_at, Token.id)
    if owner_id is not None:
        query = query.where(Token.user_id == owner_id)
    return list(session.scalars(query))


def get_token(session: Session, token_id: str, owner_id: int | None) -> Token:
    """Return a token; raises NotFound when it is absent or another user's."""
    token = session.get(Token, token_id, options=[joinedload(Token.user)])
    if token is None or owner_id not in (None, token.user_id):
        raise NotFound(f"Requested `Token` with ID `{token_id}` was not found")
    return token


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
