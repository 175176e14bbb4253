"""Make the Flask application of the REST service."""

from flask import Blueprint, Flask, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from manager.broker.publish import ConfirmedPublisher, Publisher
from manager.rest import (
    blueprints,
    brokers,
    cluster_status,
    config,
    db_nodes,
    dependencies,
    deployment_modifications,
    deployments,
    evaluate_functions,
    events,
    executions,
    file_server,
    identity,
    labels,
    license,
    maintenance,
    managers,
    node_instances,
    nodes,
    ok,
    openapi,
    operations,
    permissions,
    plugins,
    provider_context,
    searches,
    secrets,
    sites,
    status,
    summary,
    tasks_graphs,
    tenants,
    tokens,
    user_groups,
    users,
    version,
    workflows,
)
from manager.rest.context import EXTENSION, Services
from manager.rest.errors import install_handlers
from manager.rest.json_provider import OrjsonProvider
from manager.services.authentication import Authenticator
from manager.services.dispatch import connect_outlet
from manager.services.status import ManagerStatus
from manager.settings import Settings
from manager.storage.database import Database

_RESOURCES = (
    blueprints,
    brokers,
    cluster_status,
    config,
    db_nodes,
    dependencies,
    deployment_modifications,
    deployments,
    evaluate_functions,
    events,
    executions,
    file_server,
    identity,
    labels,
    license,
    maintenance,
    managers,
    node_instances,
    nodes,
    ok,
    openapi,
    operations,
    permissions,
    plugins,
    provider_context,
    searches,
    secrets,
    sites,
    status,
    summary,
    tasks_graphs,
    tenants,
    tokens,
    user_groups,
    users,
    version,
    workflows,
)
_VERSIONS = ("v1", "v2", "v2.1", "v3", "v3.1")
_MAX_JSON_BYTES = 32 * 1024 * 1024  # a graph of thousands of operations comes in one body
_SPARE_CONNECTIONS = 2  # a failed login is written beside the request's own session


def create_app(settings: Settings, *, publisher: Publisher | None = None) -> Flask:
    """Return the application; it connects to nothing before the first request."""
    database = Database(settings.database, connections=settings.rest.threads + _SPARE_CONNECTIONS)
    publisher = publisher or ConfirmedPublisher(settings.rabbitmq)
    connect_outlet(database, publisher)
    app = Flask("manager", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_JSON_BYTES
    app.json = OrjsonProvider(app)
    app.extensions[EXTENSION] = Services(
        settings=settings,
        database=database,
        publisher=publisher,
        authenticator=Authenticator(database),
        status=ManagerStatus(settings, database),
    )
    install_handlers(app)
    app.register_blueprint(_api())
    app.add_url_rule("/api/version", view_func=version.get_version)
    file_server.register(app)
    app.before_request(_note_api_version)
    # gunicorn listens on loopback, where only nginx is; it sets each header once.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    return app


def _api() -> Blueprint:
    """Return all resources below /api/<version>: each version is served by the same code."""
    api = Blueprint("api", __name__, url_prefix="/api")
    for version_name in _VERSIONS:
        versioned = Blueprint(version_name.replace(".", "_"), __name__)
        for resource in _RESOURCES:
            versioned.register_blueprint(resource.blueprint)
        api.register_blueprint(versioned, url_prefix=f"/{version_name}")
    return api


def _note_api_version() -> None:
    g.api_version = request.path.split("/", 3)[2] if request.path.startswith("/api/") else None
