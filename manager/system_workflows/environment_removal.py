"""delete_deployment_environment: the deployment's files."""

from manager.files.write import remove
from manager.services.folder_writes import forget_folder
from manager.system_workflows.context import SystemContext, tenant_name


def delete(context: SystemContext, **_unused: object) -> None:
    """Remove the files of the execution's deployment.

    The deployment itself, with the execution, goes when the execution's end is written.
    """
    with context.database.session() as session:
        deployment = context.deployment(session)
        if deployment is None:
            return  # a run before this one did it
        tenant = tenant_name(session, context.execution)
        workdir = context.tree.deployment(tenant, deployment.id)
        forget_folder(session, context.tree.relative(workdir))
        remove(workdir)
