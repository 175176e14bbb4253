"""Sites: places where deployments are."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from manager.errors import BadParameters
from manager.services.authentication import Caller
from manager.services.resources import check_id, find_to_change
from manager.services.visibility import check_is_free, widen
from manager.storage.models import TENANT_WIDE, Site

Location = tuple[float | None, float | None]
_LIMITS = (90.0, 180.0)


def parse_location(value: object) -> Location:
    """Return latitude and longitude; raises BadParameters unless they are a place on Earth."""
    if value is None or value == "":
        return None, None
    numbers = value.split(",") if isinstance(value, str) else []
    try:
        latitude, longitude = (float(number) for number in numbers)
    except ValueError as error:
        raise BadParameters(
            f"Invalid location `{value}`, the format is expected to be `latitude,longitude` such "
            "as `32.071072,34.787274`"
        ) from error
    for number, limit in zip((latitude, longitude), _LIMITS, strict=True):
        if not -limit <= number <= limit:
            raise BadParameters(f"The location `{value}` is not on Earth")
    return latitude, longitude


def create_site(
    session: Session, caller: Caller, name: str, location: Location, visibility: str | None
) -> None:
    """Create a site; raises Conflict when the name is taken."""
    tenant_id = caller.require_tenant()
    check_is_free(session, Site, tenant_id, check_id("name", name))
    session.add(
        Site(
            id=name,
            tenant_id=tenant_id,
            creator_id=caller.user_id,
            visibility=visibility or TENANT_WIDE,
            latitude=location[0],
            longitude=location[1],
        )
    )
    session.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteChange:
    """What is to become of a site; what is None stays."""

    location: Location | None = None
    new_name: str | None = None
    visibility: str | None = None


def update_site(session: Session, caller: Caller, name: str, change: SiteChange) -> str:
    """Change a site and return its name."""
    site = find_to_change(session, caller, Site, name)
    if change.visibility is not None:
        widen(session, site, change.visibility)
    if change.location is not None:
        site.latitude, site.longitude = change.location
    if change.new_name is not None and change.new_name != name:
        check_is_free(session, Site, site.tenant_id, change.new_name)
        site.id = change.new_name
    session.flush()
    return site.id


def delete_site(session: Session, caller: Caller, name: str) -> None:
    """Delete a site; its deployments are at none then."""
    session.delete(find_to_change(session, caller, Site, name))
    session.flush()
