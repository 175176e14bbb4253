"""Labels: what a request may ask for, and the rows they become."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from manager.errors import BadParameters
from manager.storage.models import BlueprintLabel, DeploymentLabel

Label = tuple[str, str]

PARENT, KIND, CONSUMER = "csys-obj-parent", "csys-obj-type", "csys-consumer-id"
RESERVED = (
    CONSUMER,
    "csys-env-type",
    "csys-location-lat",
    "csys-location-long",
    "csys-location-name",
    "csys-obj-name",
    PARENT,
    KIND,
    "csys-wrcp-group-id",
    "csys-wrcp-services",
)
_MAX_LENGTH = 256
_KEY = re.compile(r"[a-z0-9][a-z0-9._-]*")
_FORM = (
    "Labels must be a list of 1-entry dictionaries: "
    "[{<key1>: <value1>}, {<key2>: [<value2>, <value3>]}, ...]"
)


def parse_labels(raw: object) -> list[Label]:
    """Return the labels of a request, each once; raises BadParameters for what none can be."""
    if not isinstance(raw, list):
        raise BadParameters(_FORM)
    labels = [label for item in raw for label in _entry(item)]
    if len(labels) != len(set(labels)):
        raise BadParameters("You cannot define the same label twice")
    return labels


def replace_labels(
    session: Session,
    model: type[DeploymentLabel] | type[BlueprintLabel],
    owner_key: int,
    labels: Sequence[Label],
    creator_id: int,
) -> None:
    """Give a resource exactly `labels`; those it has stay as they are."""
    owner = model.deployment_key if model is DeploymentLabel else BlueprintLabel.blueprint_key
    query = select(model.key, model.name, model.value).where(owner == owner_key)
    present = {(name, value): key for key, name, value in session.execute(query)}
    gone = [key for label, key in present.items() if label not in labels]
    if gone:
        session.execute(delete(model).where(model.key.in_(gone)))
    new = [
        {owner.key: owner_key, "name": name, "value": value, "creator_id": creator_id}
        for name, value in labels
        if (name, value) not in present
    ]
    if new:
        session.execute(insert(model), new)


def _entry(item: object) -> Iterator[Label]:
    if not isinstance(item, dict) or len(item) != 1:
        raise BadParameters(_FORM)
    ((key, raw),) = item.items()
    for value in raw if isinstance(raw, list) else [raw]:
        yield _checked_key(key), _checked_value(key, value)


def _checked_key(key: Any) -> str:
    name = str(key).strip().lower()
    if not name or len(name) > _MAX_LENGTH or not _KEY.fullmatch(name):
        raise BadParameters(
            f"The label's key `{key}` must have 1 to {_MAX_LENGTH} letters, digits, '.', '_' or "
            "'-' and begin with a letter or digit"
        )
    if name.startswith("csys-") and name not in RESERVED:
        raise BadParameters(
            f"The label's key `{key}` is reserved; those allowed with the prefix `csys-` are "
            f"{', '.join(RESERVED)}"
        )
    return name


def _checked_value(key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadParameters(f"The value of the label `{key}` must be a text that is not empty")
    text = unicodedata.normalize("NFKC", value).strip()
    if len(text) > _MAX_LENGTH or any(unicodedata.category(char)[0] == "C" for char in text):
        raise BadParameters(
            f"The value of the label `{key}` must have at most {_MAX_LENGTH} characters and no "
            "control characters"
        )
    return text
