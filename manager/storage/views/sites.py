"""Sites as clients see them."""

from sqlalchemy import Text, case, func, literal, null

from manager.storage.models import Site
from manager.storage.view import View, common_fields

_location = case(
    (Site.latitude.is_(None), null()),
    else_=func.concat(Site.latitude, literal(", "), Site.longitude, type_=Text),
)
_fields = common_fields(Site)
del _fields["id"]  # clients know a site by its name

SITES = View(
    name="Site",
    model=Site,
    fields={"name": Site.id, "location": _location, **_fields},
    order=(Site.id,),
)
