"""delete_deployment_environment: the deployment, its files and all that belongs to it."""

from sqlalchemy import delete as delete_rows

from manager.files.write import remove
from manager.services.deployment_tree import parent_keys, recalculate
from manager.services.folder_writes import forget_folder
from manager.storage.models import Deployment
from manager.system_workflows.context import SystemContext, tenant_name


def delete(context: SystemContext, **_unused: object) -> None:
    """Delete the execution's deployment, and with it the execution itself."""
    with context.database.session() as session:
        deployment = context.deployment(session)
        if deployment is None:
            return  # a run before this one did it
        tenant = tenant_name(session, context.execution)
        workdir = context.tree.deployment(tenant, deployment.id)
        forget_folder(session, context.tree.relative(workdir))
        remove(workdir)
        parents = parent_keys(session, deployment.key)
        session.execute(delete_rows(Deployment).where(Deployment.key == deployment.key))
        recalculate(session, parents)
