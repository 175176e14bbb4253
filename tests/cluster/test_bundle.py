"""Hosts without any network but the controller's live from the bundle alone, on both releases."""

import json
import sys

import pytest

from installer.bundle.build import build_bundle
from installer.bundle.catalogue import ROLES, release_named
from installer.bundle.use import BUNDLE_FOLDER
from tests.support.sandbox import sandbox_of

pytestmark = pytest.mark.cluster

_RUNTIME = "import alembic, argon2, flask, gunicorn, manager, pika, psycopg, sqlalchemy"
_TOOLKIT = "import gevent, cryptography, installer.engine.engine, installer.reporter, jsonschema"


@pytest.fixture(scope="module", params=["trixie", "bookworm"])
def installed(request, machine):
    """A host to which the bundle came, with the packages of every role and both environments."""
    bundle = build_bundle(request.param)
    with sandbox_of(f"bundle-{request.param}", 1, request.param) as sandbox:
        (host,) = sandbox.hosts
        keys = (str(sandbox.private_key), str(sandbox.known_hosts))
        target = [host, sandbox.address(host), "root", 22, *keys]
        module = (sys.executable, "-m", "tests.cluster.bundle_cases")
        done = sandbox.run(*module, str(bundle.path), json.dumps([target]))
        assert done.returncode == 0, done.stderr[-4000:]
        yield sandbox, host, bundle, json.loads(done.stdout)[host]


def test_every_role_is_installed_and_nothing_is_left_to_do(installed):
    sandbox, host, bundle, findings = installed

    assert findings["left"] == []
    assert sandbox.output(host, "dpkg", "--audit") == ""
    for names in release_named(bundle.lock.release).roles.values():
        sandbox.output(host, "dpkg-query", "-W", *names)


def test_packages_have_the_versions_of_the_lock(installed):
    sandbox, host, bundle, _ = installed
    base = {stanza["Package"] for stanza in bundle.lock.base}
    locked = {p.name: p.version for p in bundle.lock.packages if p.name not in base}

    rows = sandbox.output(host, "dpkg-query", "-W", "-f", "${Package} ${Version}\\n").splitlines()
    found = dict(row.split() for row in rows)

    assert {name: found[name] for name in locked if name in found} == {
        name: version for name, version in locked.items() if name in found
    }
    assert found.keys() >= {"patroni", "rabbitmq-server", "nginx", "haproxy"}


def test_the_hosts_own_apt_is_as_it_was(installed):
    sandbox, host, _, _ = installed

    sources = sandbox.output(host, "sh", "-c", "ls /etc/apt/sources.list.d")
    lists = sandbox.output(host, "sh", "-c", "find /var/lib/apt/lists -name '*Packages*'")

    assert "cfy" not in sources
    assert lists == ""


@pytest.mark.parametrize(
    ("python", "code"),
    [("/opt/cfy_manager/env/bin/python", _TOOLKIT), ("/opt/manager/env/bin/python", _RUNTIME)],
    ids=["toolkit", "runtime"],
)
def test_an_environment_imports_all_that_it_is_for(installed, python, code):
    sandbox, host, _, _ = installed

    assert sandbox.output(host, python, "-W", "error", "-c", code) == ""


def test_the_command_is_on_the_path(installed):
    sandbox, host, _, _ = installed

    assert "cfy_manager" in sandbox.output(host, "cfy_manager", "--help")


def test_setup_brings_the_command_back_after_a_kill(installed):
    """What a person runs on a host that only got the directory; killed at any moment before."""
    sandbox, host, _, _ = installed
    setup = f"{BUNDLE_FOLDER}/setup"
    sandbox.output(host, "rm", "-rf", "/opt/cfy_manager", "/usr/local/bin/cfy_manager")

    for moment in ("0.02", "0.05", "0.1", "0.2"):
        sandbox.on(host, "timeout", "-s", "KILL", moment, "sh", setup)
    sandbox.output(host, "sh", setup)

    assert "cfy_manager" in sandbox.output(host, "cfy_manager", "--help")
    assert len(sandbox.output(host, "ls", "-A", "/opt/cfy_manager/envs").split()) == 1


def test_a_node_reads_the_bundle_it_got(installed):
    """A local install loads it from the host's own disk."""
    sandbox, host, bundle, _ = installed
    code = (
        "from pathlib import Path; from installer.bundle.model import load_bundle; "
        f"b = load_bundle(Path('{BUNDLE_FOLDER}')); "
        f"print(all((b.path / n).exists() for n in b.files_for({ROLES!r})), b.lock.release)"
    )

    told = sandbox.output(host, "/opt/cfy_manager/env/bin/python", "-c", code)

    assert told == f"True {bundle.lock.release}"
