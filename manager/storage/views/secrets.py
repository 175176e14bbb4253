"""Secrets as clients see them; `value` is what is stored, so it is sealed."""

from manager.storage.models import Secret
from manager.storage.view import View, common_fields

_COMMON = {name: field for name, field in common_fields(Secret).items() if name != "id"}

SECRET = View(
    name="Secret",
    model=Secret,
    fields={
        "created_at": _COMMON.pop("created_at"),
        "visibility": _COMMON.pop("visibility"),
        "value": Secret.value,
        "updated_at": Secret.updated_at,
        "is_hidden_value": Secret.is_hidden_value,
        "schema": Secret.schema,
        "provider_options": Secret.provider_options,
        "key": Secret.id,
        "provider_name": Secret.provider_name,
        **_COMMON,
    },
    order=(Secret.created_at,),
)

_LISTED = (
    "key",
    "created_at",
    "updated_at",
    "resource_availability",
    "visibility",
    "tenant_name",
    "created_by",
    "is_hidden_value",
    "provider_name",
)

# Lists show no values.
SECRETS = View(
    name="Secret",
    model=Secret,
    fields={name: SECRET.fields[name] for name in _LISTED},
    order=SECRET.order,
)
