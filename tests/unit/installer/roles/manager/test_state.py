import re
import subprocess

import pytest
import yaml

from installer.roles.manager.bootstrap import USER
from installer.roles.manager.model import ManagerSettings
from installer.roles.manager.runtime_config import CONFIG_PATH
from installer.roles.manager.state import RECONCILER, REST, SYNC, WORKER, manager_stages
from installer.roles.manager.web import NGINX
from installer.state import NodeState, Stage, Step, Unit, UnitTarget


def _stage(settings: ManagerSettings, name: str) -> Stage:
    return next(stage for stage in manager_stages(settings) if stage.name == name)


def _text(state: NodeState, path: str) -> str:
    return state.file(path).content.decode()


def _unit(settings: ManagerSettings, name: str) -> Unit:
    return next(unit for unit in _stage(settings, "services").state.units if unit.name == name)


def _bootstrap(settings: ManagerSettings) -> Step:
    return _stage(settings, "entry").steps[-1]


def test_packages_need_not_wait_for_other_roles(manager):
    stages = {stage.name: stage.after for stage in manager_stages(manager())}

    assert stages["packages"] == ()
    assert stages["runtime"] == ("toolkit", "database", "queue")


@pytest.mark.parametrize("name", ["manager.yaml", "ssl/database-client.key"])
def test_the_runtime_reads_its_secrets_and_cannot_change_them(manager, name):
    """libpq takes a key that a group can read only if root owns it."""
    file = _stage(manager(), "runtime").state.file(f"/opt/manager/{name}")

    assert (file.owner, file.group, file.mode, file.secret) == ("root", USER, 0o640, True)


def test_the_key_of_a_device_is_syncthings_alone(manager):
    file = _stage(manager(), "runtime").state.file("/opt/manager/syncthing/key.pem")

    assert (file.owner, file.mode, file.secret) == (USER, 0o400, True)


def test_without_replication_its_services_are_stopped(manager):
    stages = manager_stages(manager(manager={"cluster_filesystem_replication": False}))
    services = stages[-1]

    targets = {unit.name: unit.target for unit in services.state.units}

    assert targets["cloudify-syncthing.service"] is UnitTarget.STOPPED
    assert targets["cloudify-file-sync.service"] is UnitTarget.STOPPED
    assert "syncthing" not in services.gate.check
    files = [file.path for stage in stages for file in stage.state.files]
    assert not [path for path in files if path.endswith((SYNC, RECONCILER))]


def test_managers_restart_one_at_a_time(manager):
    """Together they would leave the load balancer without any."""
    assert _unit(manager(), REST).one_at_a_time
    assert "/opt/manager/manager.yaml" in _unit(manager(), REST).restart_on


@pytest.mark.parametrize("name", [REST, WORKER, "cloudify-file-sync.service"])
def test_new_code_restarts_what_runs_it(manager, name):
    assert "/opt/manager/env.id" in _unit(manager(), name).restart_on


@pytest.mark.parametrize("name", [REST, WORKER])
def test_a_new_client_certificate_restarts_nothing(manager, name):
    """libpq reads it anew for each connection; the CA is another matter."""
    restart_on = _unit(manager(), name).restart_on

    assert "/opt/manager/ssl/database-ca.crt" in restart_on
    assert "/opt/manager/ssl/database-client.crt" not in restart_on
    assert "/opt/manager/ssl/database-client.key" not in restart_on


def test_a_new_web_certificate_does_not_cut_connections(manager):
    assert "/etc/nginx/tls/internal.crt" in _unit(manager(), NGINX).reload_on
    assert "/etc/nginx/tls/internal.crt" not in _unit(manager(), NGINX).restart_on


def test_nginx_serves_both_ports_with_tls_and_sends_port_80_there(manager):
    conf = _text(_stage(manager(), "services").state, "/etc/nginx/nginx.conf")

    assert re.findall(r"listen (.*);", conf) == [
        "80 default_server",
        "443 ssl default_server",
        "53333 ssl default_server",
    ]
    assert "return 308 https://$host$request_uri;" in conf
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in conf


def test_files_of_any_size_pass_through_nginx(manager):
    conf = _text(_stage(manager(), "services").state, "/etc/nginx/nginx.conf")

    assert "client_max_body_size 0;" in conf
    assert "proxy_request_buffering off;" in conf
    assert "proxy_read_timeout 330s;" in conf


def test_only_load_balancers_are_believed_about_the_clients_address(manager):
    believed = _text(
        _stage(manager(nginx={"trusted_proxies": ["10.0.0.41"]}), "services").state,
        "/etc/nginx/nginx.conf",
    )
    alone = _text(_stage(manager(), "services").state, "/etc/nginx/nginx.conf")

    assert re.findall(r"set_real_ip_from (.*);", believed) == ["10.0.0.41"]
    assert "real_ip" not in alone


def test_the_rate_limit_spares_whoever_shows_a_token(manager):
    state = _stage(manager(), "services").state
    conf = _text(state, "/etc/nginx/nginx.conf")

    assert 'map "$http_authentication_token$http_execution_token' in conf
    assert "limit_req_zone $limited_client zone=clients:10m rate=10r/s;" in conf
    assert "burst=30 delay=20" in _text(state, "/etc/nginx/cloudify/locations.conf")


def test_the_rate_limit_can_be_switched_off(manager):
    state = _stage(manager(nginx={"rate_limit": {"enabled": False}}), "services").state

    assert "limit_req" not in _text(state, "/etc/nginx/nginx.conf")
    assert "limit_req" not in _text(state, "/etc/nginx/cloudify/locations.conf")


def test_nginx_starts_only_with_our_configuration(manager):
    """Its package would serve Debian's welcome page."""
    files = _stage(manager(), "packages").state.files

    condition = next(file for file in files if file.path.endswith("/10-configured.conf"))
    assert all(file.before_packages for file in files)
    assert "ConditionPathExists=/etc/nginx/cloudify/locations.conf" in condition.content.decode()


def test_role_and_database_are_made_only_by_who_is_told_how(manager):
    told = _stage(manager(postgresql_client={"server_password": "owner-pass-1"}), "runtime").steps

    assert told[0].name == "Create the managers' role and database"
    assert told[0].once
    assert told[0].name not in [step.name for step in _stage(manager(), "runtime").steps]


def test_a_restored_database_is_settled_before_anybody_enters_or_serves_it(manager):
    """A worker that starts first would go on with what ran when the backup was taken.

    All managers finish a stage before any begins the next: one settles for all of them.
    """
    steps = {stage.name: [step.name for step in stage.steps] for stage in manager_stages(manager())}

    assert steps["runtime"] == ["Settle what the restored database holds"]
    assert steps["entry"] == ["Enter this manager into the cluster"]
    assert list(steps).index("runtime") < list(steps).index("entry")


@pytest.mark.parametrize(
    "changed",
    [
        {"rabbitmq": {"cluster_members": {"mq-9": {"networks": {"default": "10.0.0.29"}}}}},
        {"status_reporter": {"tokens": {"manager": "ctok-bbbbbbbbbb-manager"}}},
    ],
    ids=["a broker more", "another token"],
)
def test_what_changes_is_entered_into_the_database_again(manager, changed):
    assert _bootstrap(manager()).guard != _bootstrap(manager(**changed)).guard


def test_a_new_password_of_the_administrator_is_not_entered_again(manager):
    """It counts only while there is no administrator; afterwards REST changes it."""
    changed = {"security": {"admin_password": "admin-pass-2"}}

    assert _bootstrap(manager()).guard == _bootstrap(manager(manager=changed)).guard


def test_passwords_are_not_in_scripts(manager):
    stages = manager_stages(manager(postgresql_client={"server_password": "owner-pass-1"}))
    steps = [step for stage in stages for step in stage.steps]

    scripts = [text for step in steps for text in (step.guard, step.script)]

    for secret in ("admin-pass-1", "db-pass-1", "owner-pass-1", "ctok-"):
        assert not [script for script in scripts if secret in script]


def test_scripts_are_shell(manager):
    stages = manager_stages(manager(postgresql_client={"server_password": "owner-pass-1"}))
    scripts = [stage.gate.check for stage in stages if stage.gate]
    scripts += [
        text for stage in stages for step in stage.steps for text in (step.guard, step.script)
    ]

    for script in scripts:
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)


def test_nginx_may_enter_the_file_tree_and_nobody_else(manager):
    """Below its top everything is readable, so that replicated files need no owner but one."""
    directories = {item.path: item for item in _stage(manager(), "runtime").state.directories}
    tree = directories["/opt/manager/resources"]

    assert (tree.owner, tree.group, tree.mode) == (USER, "www-data", 0o750)


def test_other_managers_files_are_fetched_with_their_certificates_verified(manager):
    state = _stage(manager(), "services").state
    locations = _text(state, "/etc/nginx/cloudify/locations.conf")
    (peer,) = re.findall(r"location = /resources-peer {(.*?)\n}", locations, re.DOTALL)

    assert "internal;" in peer
    assert "https://$peer:53333/resources/$peer_path;" in peer
    assert "proxy_ssl_verify on;" in peer
    assert "proxy_ssl_name $peer_name;" in peer
    assert "proxy_ssl_trusted_certificate /etc/nginx/tls/ca.crt;" in peer
    assert _text(state, "/etc/nginx/tls/ca.crt")


def test_no_client_tells_the_service_that_it_is_nginx(manager):
    """Who says so is answered with a header instead of the file."""
    state = _stage(manager(), "services").state
    locations = _text(state, "/etc/nginx/cloudify/locations.conf")

    passed_on = re.findall(r"proxy_pass http://rest;(.*?)\n}", locations, re.DOTALL)

    assert len(passed_on) == 2
    assert all("X-Sendfile-Type X-Accel-Redirect;" in text for text in passed_on)


def test_every_request_for_a_file_is_authorised(manager):
    state = _stage(manager(), "services").state
    locations = _text(state, "/etc/nginx/cloudify/locations.conf")
    (files,) = re.findall(r"location /resources/ {(.*?)\n}", locations, re.DOTALL)

    assert "auth_request /file-server-auth;" in files
    assert "limit_req zone=clients" in files


def test_a_task_that_takes_too_much_memory_ends_alone(manager):
    """systemd would otherwise stop the worker with all other tasks."""
    stages = manager_stages(manager())
    (unit,) = [f for stage in stages for f in stage.state.files if f.path.endswith(WORKER)]

    lines = unit.content.decode().splitlines()

    assert "OOMPolicy=continue" in lines
    assert "Type=notify" in lines
    assert "TimeoutStartSec=infinity" in lines  # it is ready when its brokers are


def test_the_worker_has_its_own_limits_and_variables(manager):
    settings = manager(mgmtworker={"max_workers": 7, "extra_env": {"HTTPS_PROXY": "http://p:3128"}})
    files = {file.path: file for stage in manager_stages(settings) for file in stage.state.files}

    document = yaml.safe_load(files[CONFIG_PATH].content)
    worker, rest = (files[f"/etc/systemd/system/{name}"].content for name in (WORKER, REST))

    worker_limits = {key: document["worker"][key] for key in ("workflows", "operations")}
    assert worker_limits == {"workflows": 7, "operations": 7}
    assert b"HTTPS_PROXY" in worker
    assert b"HTTPS_PROXY" not in rest


@pytest.mark.parametrize(("has_ipv6", "count"), [(True, 4), (False, 0)])
def test_every_port_is_open_on_ipv6_where_the_kernel_has_it(manager, has_ipv6, count):
    """80 and 443, 53333 and the external certificate's 443 share their lines with nobody."""
    settings = manager(has_ipv6=has_ipv6, ssl_inputs={"external_cert_path": "other.crt"})

    conf = _text(_stage(settings, "services").state, "/etc/nginx/nginx.conf")

    assert conf.count("listen [::]:") == count
    assert conf.count("listen ") == 4 + count


def test_the_administrator_of_an_external_database_shows_a_certificate_of_root_alone(manager):
    certificate = {
        "postgresql_superuser_client_cert_path": "owner.crt",
        "postgresql_superuser_client_key_path": "owner.key",
    }
    runtime = _stage(
        manager(postgresql_client={"server_password": "owner-pw-1"}, ssl_inputs=certificate),
        "runtime",
    )

    key = runtime.state.file("/opt/manager/ssl/database-owner.key")

    assert (key.owner, key.mode, key.secret) == ("root", 0o600, True)
    assert '"owner_client": "/opt/manager/ssl/database-owner"' in runtime.steps[0].guard


def test_without_client_verification_no_certificate_is_shown(manager):
    runtime = _stage(
        manager(
            postgresql_client={"server_password": "owner-pw-1", "ssl_client_verification": False}
        ),
        "runtime",
    )

    assert '"client": null, "owner_client": null' in runtime.steps[0].guard


@pytest.mark.parametrize("idle", [WORKER, REST])
def test_the_gate_waits_for_every_unit(manager, tmp_path, idle):
    """`systemctl is-active` of several units is content with any of them."""
    (gate,) = [s.gate for s in manager_stages(manager()) if s.gate and WORKER in s.gate.units]
    for name, script in {"systemctl": f'test "$2" != {idle}', "python3": "true"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    done = subprocess.run(
        ["/bin/sh", "-eu"], input=gate.check.encode(), env={"PATH": str(tmp_path)}
    )

    assert done.returncode == 1
