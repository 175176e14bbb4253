"""How a deployment is, by its latest execution and its node instances."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from manager.services.deployment_tree import recalculate_above
from manager.services.execution_status import END, ExecutionStatus
from manager.storage.models import Execution

# Its own status, and those of the deployments in it: the worst counts.
_NOTE = text(
    """
    UPDATE deployments AS d SET
        latest_execution_key = :execution_key,
        installation_status = CASE
            WHEN NOT :has_ended THEN d.installation_status
            WHEN facts.is_complete THEN 'active' ELSE 'inactive' END,
        deployment_status = CASE
            WHEN 'requires_attention' IN (facts.status, sub.services, sub.environments)
                THEN 'requires_attention'
            WHEN 'in_progress' IN (facts.status, sub.services, sub.environments)
                THEN 'in_progress'
            ELSE 'good' END
    FROM (
        SELECT is_complete, CASE
            WHEN NOT :has_ended THEN 'in_progress'
            WHEN :has_failed OR NOT is_complete THEN 'requires_attention'
            ELSE 'good' END AS status
        FROM (SELECT NOT (:has_ended AND EXISTS (
            SELECT FROM node_instances
            WHERE deployment_key = :deployment_key AND state <> 'started')) AS is_complete) AS _
    ) AS facts, (
        SELECT coalesce(sub_services_status, '') AS services,
            coalesce(sub_environments_status, '') AS environments
        FROM deployments WHERE key = :deployment_key
    ) AS sub
    WHERE d.key = :deployment_key
    """
)


def note_execution(session: Session, execution: Execution) -> None:
    """Write the deployment's statuses after a change of its latest execution's status."""
    if execution.deployment_key is None:
        return
    session.execute(
        _NOTE,
        {
            "deployment_key": execution.deployment_key,
            "execution_key": execution.key,
            "has_ended": execution.status in END,
            "has_failed": execution.status == ExecutionStatus.FAILED,
        },
    )
    recalculate_above(session, execution.deployment_key)
