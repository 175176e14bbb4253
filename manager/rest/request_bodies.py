"""What the JSON bodies of requests have: the part of the API's description that no code shows."""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = dict[str, Any]

_KINDS: Mapping[str, Schema] = {
    "any": {},
    "text": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "number": {"type": "integer"},
    "flag": {"oneOf": [{"type": "boolean"}, {"enum": ["true", "false"]}]},
    "object": {"type": "object"},
    "list": {"type": "array"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "objects": {"type": "array", "items": {"type": "object"}},
    "visibility": {"enum": ["private", "tenant", "global"]},
    "tenant_role": {"enum": ["manager", "user", "operations", "viewer"]},
    "system_role": {"enum": ["sys_admin", "default"]},
}

# Method, path, fields: `name:kind`, with ! for one that must be there.
_TABLE = """
PATCH  /blueprints/{}                  plan:object state:text error:text description:text labels:objects
PATCH  /blueprints/{}/set-visibility   visibility!:visibility
PUT    /cluster-status/{}/{}           reporting_freq!:number timestamp!:text report!:object
PUT    /config/{}                      value!:any force:flag
POST   /contacts                       first_name:text last_name:text email:text phone:text is_eula:flag
POST   /deployment-modifications       deployment_id!:text nodes:object context:object
PUT    /deployments/{}                 blueprint_id!:text inputs:object visibility:visibility display_name:text labels:objects site_name:text skip_plugins_validation:flag runtime_only_evaluation:flag
PATCH  /deployments/{}                 display_name:text description:text workflows:object outputs:object labels:objects
POST   /deployments/{}/set-site        site_name:text detach_site:flag
PATCH  /deployments/{}/set-visibility  visibility!:visibility
PUT    /deployments/{}/inter-deployment-dependencies  inter_deployment_dependencies!:objects
PUT    /deployments/inter-deployment-dependencies     dependency_creator!:text source_deployment!:text target_deployment:text
POST   /deployments/inter-deployment-dependencies     source_deployment_id!:text inter_deployment_dependencies!:objects
DELETE /deployments/inter-deployment-dependencies     dependency_creator!:text source_deployment:text is_component_deletion:flag
POST   /evaluate/functions             deployment_id!:text context!:object payload!:object
POST   /events                         execution_id:text events:objects logs:objects manager_name:text agent_name:text
POST   /executions                     deployment_id:text workflow_id!:text parameters:object allow_custom_parameters:flag force:flag dry_run:flag queue:flag wait_after_fail:number scheduled_time:text
DELETE /executions                     keep_last:number to_datetime:text
POST   /executions/{}                  action!:text
PATCH  /executions/{}                  status!:text error:text
POST   /node-instances                 deployment_id!:text node_instances!:objects
PATCH  /node-instances/{}              version!:number runtime_properties:object system_properties:object state:text relationships:objects
POST   /nodes                          deployment_id!:text nodes!:objects
PATCH  /nodes/{}/{}                    plugins:objects operations:object relationships:objects
POST   /operations                     action!:text deployment_id:text node_id:text operation:text key:text rel_index:number
PUT    /operations/{}                  name!:text graph_id!:text dependencies!:texts type!:text parameters!:object
PATCH  /operations/{}                  state!:text result:any exception:text exception_causes:objects manager_name:text agent_name:text
PUT    /plugins/{}                     state!:text manager:text agent:text error:text
POST   /plugins/{}                     action!:text managers:texts agents:texts
PATCH  /plugins/{}                     title:text labels:object blueprint_labels:object resource_tags:object creator:text
DELETE /plugins/{}                     force:flag
PATCH  /plugins/{}/set-visibility      visibility!:visibility
PUT    /secrets/{}                     value!:any visibility:visibility is_hidden_value:flag update_if_exists:flag schema:object
PATCH  /secrets/{}                     value:any visibility:visibility is_hidden_value:flag schema:object creator:text
PATCH  /secrets/{}/set-visibility      visibility!:visibility
POST   /secrets/share/import           secrets_list!:objects tenant_map:object passphrase:text override_collisions:flag
PUT    /sites/{}                       location:text visibility:visibility
POST   /sites/{}                       new_name:text location:text visibility:visibility
POST   /tasks_graphs/{}                name!:text execution_id!:text operations:objects graph_id:text created_at:time
PATCH  /tasks_graphs/{}                state:text
POST   /tenants/{}                     rabbitmq_password:text
PUT    /tenants/users                  username!:text tenant_name!:text role:tenant_role
PATCH  /tenants/users                  username!:text tenant_name!:text role!:tenant_role
DELETE /tenants/users                  username!:text tenant_name!:text
PUT    /tenants/user-groups            group_name!:text tenant_name!:text role:tenant_role
PATCH  /tenants/user-groups            group_name!:text tenant_name!:text role!:tenant_role
DELETE /tenants/user-groups            group_name!:text tenant_name!:text
POST   /tokens                         description:text expiration_date:time
POST   /user-groups                    group_name!:text role!:system_role ldap_group_dn:text
POST   /user-groups/{}                 role!:system_role
PUT    /user-groups/users              username!:text group_name!:text
DELETE /user-groups/users              username!:text group_name!:text
PUT    /users                          username!:text password!:text role!:system_role is_prehashed:flag
POST   /users/{}                       password:text role:system_role show_getting_started:flag
POST   /users/active/{}                action!:text
"""  # noqa: E501 - a table


def request_bodies() -> Mapping[tuple[str, str], Schema]:
    """Return the schemas of bodies by method and path; names in paths are `{}`."""
    return dict(_rows())


def _rows() -> Iterator[tuple[tuple[str, str], Schema]]:
    for line in filter(None, _TABLE.splitlines()):
        method, path, *fields = line.split()
        yield (method, path), _schema(fields)


def _schema(fields: list[str]) -> Schema:
    pairs = [field.split(":") for field in fields]
    properties = {name.rstrip("!"): _KINDS[kind] for name, kind in pairs}
    required = [name.rstrip("!") for name, _ in pairs if name.endswith("!")]
    schema: Schema = {"type": "object", "properties": properties}
    return schema | ({"required": required} if required else {})
