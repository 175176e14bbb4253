"""What handlers work with: the process's services, and the request's caller and session."""

from dataclasses import dataclass

from flask import current_app, g
from sqlalchemy.orm import Session

from manager.broker.publish import Publisher
from manager.services.authentication import Authenticator, Caller
from manager.services.status import ManagerStatus
from manager.settings import Settings
from manager.storage.database import Database

EXTENSION = "manager"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What all requests of a process share."""

    settings: Settings
    database: Database
    publisher: Publisher
    authenticator: Authenticator
    status: ManagerStatus


def services() -> Services:
    """Return the services of this application."""
    found: Services = current_app.extensions[EXTENSION]
    return found


def caller() -> Caller:
    """Return who made this request."""
    found: Caller = g.caller
    return found


def session() -> Session:
    """Return the request's database session; it is committed when the handler returns."""
    found: Session = g.session
    return found
