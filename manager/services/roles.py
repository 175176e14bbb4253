"""The names of the roles."""

SYS_ADMIN = "sys_admin"
DEFAULT = "default"
TENANT_ROLES = ("manager", "user", "operations", "viewer")
REPORTER_ROLES = {
    "manager": "manager_status_reporter",
    "db": "db_status_reporter",
    "broker": "broker_status_reporter",
}
