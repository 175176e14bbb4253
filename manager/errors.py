"""The tree of errors of the runtime; those that a REST client meets carry status and code.

ManagerError
├── SettingsError              manager.yaml is invalid; every problem at once
└── RequestError (500)         what a request can end with
    ├── BadParameters (400)    bad_parameters_error
    │   └── BadArchive         an archive that cannot be unpacked, or must not be
    ├── TooLarge (413)         request_too_large_error
    ├── Unauthorized (401)     unauthorized_error
    ├── Forbidden (403)        forbidden_error
    ├── NotFound (404)         not_found_error
    ├── MissingPremium (404)   missing_premium_package_error
    ├── NoOutsideService (400) unknown_action_error
    ├── Conflict (409)         conflict_error
    ├── IllegalAction (400)    illegal_action_error
    ├── InvalidBlueprint (400) invalid_blueprint_error
    ├── DependentExists (400)  dependent_exists_error
    ├── BlueprintInUse (405)   blueprint_in_use
    └── Unavailable (503)      service_unavailable_error
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class SettingsProblem:
    """One thing that is wrong in manager.yaml: the key, what it is, what to do."""

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n    → {self.remedy}"


class ManagerError(Exception):
    """Any failure that the runtime explains."""


class SettingsError(ManagerError):
    """manager.yaml is missing or invalid."""

    def __init__(self, path: str, problems: Sequence[SettingsProblem]) -> None:
        super().__init__("\n".join(f"{path}: {problem}" for problem in problems))
        self.problems = tuple(problems)


class RequestError(ManagerError):
    """A request that ends with an error envelope: `error_code`, `message`, HTTP status."""

    status = 500
    code = "internal_server_error"


class BadParameters(RequestError):
    """The request is malformed or contradicts itself."""

    status = 400
    code = "bad_parameters_error"


class BadArchive(BadParameters):
    """An archive that is broken, leads out of its folder or grows beyond the limits."""


class TooLarge(RequestError):
    """The request's body is larger than allowed."""

    status = 413
    code = "request_too_large_error"


class NoSuchIncludeField(RequestError):
    """`_include` names a field that the resource lacks."""

    status = 400
    code = "no_such_include_field_error"


class Unauthorized(RequestError):
    """No credentials, or wrong ones."""

    status = 401
    code = "unauthorized_error"


class Forbidden(RequestError):
    """The user may not do this."""

    status = 403
    code = "forbidden_error"


class NotFound(RequestError):
    """The thing asked for does not exist."""

    status = 404
    code = "not_found_error"

    @classmethod
    def of(cls, kind: str, resource_id: str) -> Self:
        """Return the error for a resource that is absent or not the caller's to see."""
        return cls(f"Requested `{kind}` with ID `{resource_id}` was not found")


class MissingPremium(RequestError):
    """The community edition has no such feature."""

    status = 404
    code = "missing_premium_package_error"

    def __init__(self) -> None:
        super().__init__("This feature does not exist in the community edition")


class NoOutsideService(RequestError):
    """The manager would have to tell a service outside the cluster, which it never does."""

    status = 400
    code = "unknown_action_error"

    def __init__(self) -> None:
        super().__init__("This manager registers with nobody and needs no registration")


class PluginInUse(RequestError):
    """A plugin that a blueprint needs."""

    status = 405
    code = "plugin_in_use"


class Conflict(RequestError):
    """The thing exists already, or changed meanwhile."""

    status = 409
    code = "conflict_error"


class IllegalAction(RequestError):
    """The thing is in a state, or of a kind, that does not admit this."""

    status = 400
    code = "illegal_action_error"


class BlueprintInUse(RequestError):
    """Another blueprint imports this one."""

    status = 405
    code = "blueprint_in_use"


class InvalidBlueprint(RequestError):
    """The blueprint that was uploaded cannot be used."""

    status = 400
    code = "invalid_blueprint_error"


class DependentExists(RequestError):
    """Something still needs what is to be deleted."""

    status = 400
    code = "dependent_exists_error"


class Unavailable(RequestError):
    """The database cannot be reached just now."""

    status = 503
    code = "service_unavailable_error"
