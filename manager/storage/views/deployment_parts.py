"""The parts of deployments that are read for all items of a reply at once.

The large documents are the same for all deployments of a blueprint. They are kept by the hash of
their content, so a list of a thousand deployments reads each once, and later lists read none.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from sqlalchemy import BigInteger, ColumnElement, Row, Text, any_, cast, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from manager.storage.document_cache import DocumentCache
from manager.storage.models import Deployment, DeploymentLabel, Node, NodeInstance, User
from manager.storage.views.workflow_items import depends_on_instances, workflow_items

_DOCUMENTS = ("workflows", "policy_types", "policy_triggers")
_HASHES = "hashes of deployments' documents"
_CACHE_BYTES = 16 * 1024 * 1024
_documents: DocumentCache[orjson.Fragment] = DocumentCache(_CACHE_BYTES)
_workflows: DocumentCache[dict[str, Any]] = DocumentCache(_CACHE_BYTES)
_shown_workflows: DocumentCache[orjson.Fragment] = DocumentCache(_CACHE_BYTES)

Keys = Sequence[int]


def among(column: Any, keys: Keys) -> ColumnElement[bool]:
    """Return the condition that a key is one of `keys`, which travel as one parameter."""
    text = "{" + ",".join(map(str, keys)) + "}"  # psycopg takes ten times as long for a list
    condition: ColumnElement[bool] = column == any_(cast(literal(text, Text), ARRAY(BigInteger)))
    return condition


def deployment_labels(session: Session, keys: Keys) -> Mapping[int, list[dict[str, Any]]]:
    """Return the labels of deployments by their keys."""
    query = (
        select(
            DeploymentLabel.deployment_key,
            DeploymentLabel.name,
            DeploymentLabel.value,
            DeploymentLabel.created_at,
            User.username,
        )
        .join(User, User.id == DeploymentLabel.creator_id)
        .where(among(DeploymentLabel.deployment_key, keys))
        .order_by(DeploymentLabel.key)
    )
    found = defaultdict(list)
    for key, name, value, created_at, username in session.execute(query):
        found[key].append(
            {"key": name, "value": value, "created_at": created_at, "created_by": username}
        )
    return found


def no_groups(_session: Session, _keys: Keys) -> Mapping[int, list[str]]:
    """Return the groups of deployments: there are none until groups exist."""
    return {}


@dataclass(frozen=True, slots=True)
class _Situation:
    """A deployment's workflows, and what their availability depends on."""

    digest: str
    document: Mapping[str, Any]
    states: frozenset[str]
    types: frozenset[str]

    @property
    def items(self) -> list[dict[str, Any]]:
        return workflow_items(self.document, self.states, self.types)

    @property
    def fragment(self) -> orjson.Fragment:
        name = f"{self.digest} {sorted(self.states)} {sorted(self.types)}"
        found = _shown_workflows.get(name)
        if found is None:
            text = orjson.dumps(self.items)
            found = orjson.Fragment(text)
            _shown_workflows.keep(name, found, len(text))
        return found


def workflows(session: Session, keys: Keys) -> Mapping[int, orjson.Fragment]:
    """Return the lists of workflows, each with whether it is available now."""
    return {key: found.fragment for key, found in _situations(session, keys).items()}


def workflow_lists(session: Session, keys: Keys) -> Mapping[int, list[dict[str, Any]]]:
    """Return the same as objects."""
    return {key: found.items for key, found in _situations(session, keys).items()}


def _situations(session: Session, keys: Keys) -> dict[int, _Situation]:
    hashes = _hashes(session, "workflows", keys)
    documents = _known(session, _workflows, "workflows", hashes)
    ruled = {digest for digest, document in documents.items() if depends_on_instances(document)}
    looking = [key for key, digest in hashes.items() if digest in ruled]
    facts = _facts(session, looking) if looking else {}
    nothing = (frozenset[str](), frozenset[str]())
    return {
        key: _Situation(digest, documents[digest], *facts.get(key, nothing))
        for key, digest in hashes.items()
    }


def _facts(session: Session, keys: Keys) -> dict[int, tuple[frozenset[str], frozenset[str]]]:
    states = _sets(
        session.execute(
            select(NodeInstance.deployment_key, NodeInstance.state)
            .where(among(NodeInstance.deployment_key, keys))
            .distinct()
        ).all()
    )
    types = _sets(
        session.execute(
            select(
                Node.deployment_key,
                func.jsonb_array_elements_text(Node.type_hierarchy, type_=Text),
            )
            .where(among(Node.deployment_key, keys))
            .distinct()
        ).all()
    )
    return {key: (states[key], types[key]) for key in keys}


def _sets(rows: Sequence[Row[int, str]]) -> defaultdict[int, frozenset[str]]:
    found: defaultdict[int, frozenset[str]] = defaultdict(frozenset)
    for key, value in rows:
        found[key] |= {value}
    return found


def _hashes(session: Session, name: str, keys: Keys) -> dict[int, str]:
    """Return the hashes of one document; those of all are read together, once for a reply."""
    known_keys, found = session.info.get(_HASHES, (None, {}))
    if known_keys is not keys:
        columns = [getattr(Deployment, f"{document}_hash") for document in _DOCUMENTS]
        query = select(Deployment.key, *columns).where(among(Deployment.key, keys))
        rows = session.connection().execute(query).all()
        found = {
            document: {row[0]: row[number] for row in rows if row[number] is not None}
            for number, document in enumerate(_DOCUMENTS, start=1)
        }
        session.info[_HASHES] = (keys, found)
    return dict(found[name])


def _known(
    session: Session, cache: DocumentCache[Any], name: str, hashes: Mapping[int, str]
) -> dict[str, Any]:
    """Return documents by hash; those that the cache lacks are read, each from one deployment."""
    one_key = {digest: key for key, digest in hashes.items()}
    found = {digest: cache.get(digest) for digest in one_key}
    missing = [key for digest, key in one_key.items() if found[digest] is None]
    if missing:
        column = getattr(Deployment, name)
        digest_column = getattr(Deployment, f"{name}_hash")
        query = select(digest_column, cast(column, Text)).where(among(Deployment.key, missing))
        for digest, text in session.execute(query):
            value = orjson.loads(text) if cache is _workflows else orjson.Fragment(text)
            cache.keep(digest, value, len(text))
            found[digest] = value
    return found


def _policies(name: str, session: Session, keys: Keys) -> Mapping[int, orjson.Fragment]:
    hashes = _hashes(session, name, keys)
    documents = _known(session, _documents, name, hashes)
    return {key: documents[digest] for key, digest in hashes.items()}


policy_types = partial(_policies, "policy_types")
policy_triggers = partial(_policies, "policy_triggers")
