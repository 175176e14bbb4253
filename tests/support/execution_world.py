"""Do things to executions, each in a transaction of its own."""

from sqlalchemy import select

from manager.services.execution_life import finish, place_of
from manager.services.executions import (
    StartOptions,
    WantedWorkflow,
    start_system_workflow,
    start_workflow,
)
from manager.storage.models import Deployment, Execution
from tests.support.workflows import admin, make_deployment


class World:
    """The executions of a database; deployments are named, executions are keys."""

    def __init__(self, database, publisher):
        self.database, self.publisher = database, publisher

    def deploy(self, *names, **options):
        with self.database.session() as session:
            for name in names:
                make_deployment(session, name, **options)

    def start(self, name, workflow_id="install", parameters=None, **options):
        with self.database.session() as session:
            deployment = session.scalars(select(Deployment).where(Deployment.id == name)).one()
            wanted = WantedWorkflow(
                workflow_id=workflow_id,
                parameters=parameters or {},
                options=StartOptions(**options),
            )
            return start_workflow(session, admin(session), deployment, wanted).key

    def start_system_wide(self, **options):
        with self.database.session() as session:
            return start_system_workflow(
                session,
                admin(session),
                "create_snapshot",
                parameters={},
                options=StartOptions(is_system_wide=True, **options),
            ).key

    def report(self, key, status, error=None):
        with self.database.session() as session:
            finish(session, key, status, error)

    def act(self, function, key, *arguments, **options):
        with self.database.session() as session:
            function(session, place_of(session, Execution.key == key), *arguments, **options)

    def execution(self, key):
        with self.database.session() as session:
            return session.get_one(Execution, key)

    def status(self, *keys):
        return [self.execution(key).status for key in keys]

    def deployment(self, name):
        with self.database.session() as session:
            return session.scalars(select(Deployment).where(Deployment.id == name)).one()

    @property
    def sent(self):
        return [
            body["cloudify_task"]["kwargs"]["__cloudify_context"]["deployment_id"]
            for _, _, body in self.publisher.taken
            if "cloudify_task" in body
        ]
