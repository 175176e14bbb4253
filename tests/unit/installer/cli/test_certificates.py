"""The commands that make, list and check certificates, as an operator types them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from installer.cli import run
from installer.cli.certificates import certificates, generate_test_cert
from tests.unit.installer.pki.makers import DAY, ca, leaf

ROOT = Path(__file__).parents[4]
INVENTORY = """\
cluster: {name: demo}
nodes:
  - {name: db-1, address: 10.0.0.11, roles: [database], networks: {backup: 10.9.0.11}}
  - {name: mq-1, address: 10.0.0.12, roles: [queue]}
  - {name: manager-1, address: 10.0.0.13, public_address: 203.0.113.13, roles: [manager]}
"""


@pytest.fixture
def inventory(tmp_path):
    path = tmp_path / "demo.yaml"
    path.write_text(INVENTORY)
    return path


def call(*words: object) -> str:
    done = CliRunner().invoke(certificates, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_generate_issues_once(inventory):
    first = call("generate", "-i", inventory)

    assert "issued ca.crt: missing" in first
    assert "ca.key and give it to nobody" in first
    assert call("generate", "-i", inventory).startswith("No certificates issued in ")


def test_generate_with_dry_run_writes_nothing(inventory):
    shown = json.loads(call("generate", "-i", inventory, "--dry-run", "--json"))

    assert {"file": "nodes/db-1/node.crt", "reason": "missing"} in shown["issued"]
    assert [path.name for path in inventory.parent.iterdir()] == ["demo.yaml"]


def test_generate_tells_which_address_changed(inventory):
    call("generate", "-i", inventory)
    inventory.write_text(INVENTORY.replace("10.9.0.11", "10.9.0.99"))

    shown = json.loads(call("generate", "-i", inventory, "--json"))

    assert shown["issued"] == [
        {
            "file": "nodes/db-1/node.crt",
            "reason": "its hosts changed: +10.9.0.99 -10.9.0.11",
        }
    ]


def test_list_shows_the_guides_names_and_the_days_left(inventory):
    call("generate", "-i", inventory, "--days", "90")

    rows = {row["file"]: row for row in json.loads(call("list", "-i", inventory, "--json"))}

    node = rows["nodes/db-1/node.crt"]
    assert node["days_left"] == 89
    assert node["addresses"] == ["10.0.0.11", "10.9.0.11", "127.0.0.1", "::1"]
    assert node["dns_names"] == ["db-1", "localhost", "10.0.0.11", "10.9.0.11", "127.0.0.1"]
    assert "203.0.113.13" in rows["nodes/manager-1/node.crt"]["addresses"]


def test_list_has_one_line_for_each_certificate(inventory):
    call("generate", "-i", inventory)

    lines = call("list", "-i", inventory).splitlines()

    entries = json.loads(call("list", "-i", inventory, "--json"))
    assert [line.split()[0] for line in lines] == ["file", *(row["file"] for row in entries)]


def test_verify_finds_what_was_issued_good(inventory):
    call("generate", "-i", inventory)

    assert call("verify", "-i", inventory) == "The certificates are good.\n"


def test_verify_names_every_spoiled_file(inventory, capsys):
    call("generate", "-i", inventory)
    nodes = inventory.parent / "certs/demo/nodes"
    (nodes / "db-1/node.key").write_bytes((nodes / "mq-1/node.key").read_bytes())
    (nodes / "manager-1/node.crt").unlink()

    code = run(["certificates", "verify", "-i", str(inventory)])

    said = capsys.readouterr().err
    assert code == 3
    assert "nodes/db-1/node.key: the key is not that of the certificate" in said
    assert "manager-1/node.crt: the file is not here" in said


@pytest.fixture
def brought(tmp_path):
    root = ca()
    good = leaf(root)
    for name, content in (("crt", good.pem), ("key", good.key_pem()), ("ca", root.pem)):
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_check_accepts_a_good_certificate(brought):
    files = [brought / name for name in ("crt", "key", "ca")]

    assert call("check", *files, "--host", "db-1") == "The certificate is good.\n"


def test_check_shows_every_problem_with_its_file(brought, capsys):
    bad = leaf(ca(), begins=-9 * DAY, ends=-3 * DAY)
    (brought / "crt").write_bytes(bad.pem)
    files = [str(brought / name) for name in ("crt", "key", "ca")]

    code = run(["certificates", "check", *files, "--host", "db-2"])

    said = capsys.readouterr().err
    assert code == 3
    assert f"{brought}/key: key: the key is not that of" in said
    assert f"{brought}/crt: certificate: it expired on" in said
    assert "lack db-2" in said


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_generate_test_cert_uses_one_authority_for_all(home):
    folder = home / ".cloudify-test-ca"

    for sans in ("manager-1,10.0.0.13", "db-1, 10.0.0.11"):
        assert CliRunner().invoke(generate_test_cert, ["-s", sans]).exit_code == 0
    files = ["manager-1.crt", "db-1.crt"]

    verify = ["openssl", "verify", "-x509_strict", "-CAfile", "ca.crt", *files]
    said = subprocess.run(verify, cwd=folder, capture_output=True, text=True, check=False).stdout
    assert said == "manager-1.crt: OK\ndb-1.crt: OK\n"
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert {name for name, mode in modes.items() if mode == 0o600} == {
        "ca.key",
        "manager-1.key",
        "db-1.key",
    }


@pytest.mark.parametrize("sans", ["ca", ",", "a/b", "../x", "größe"])
def test_generate_test_cert_refuses_what_is_no_host(home, sans):
    assert run(["generate-test-cert", "--sans", sans]) == 3

    assert not (home / ".cloudify-test-ca").exists()


def test_generate_test_cert_needs_its_names():
    assert run(["generate-test-cert"]) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_generate_test_cert_needs_no_root(tmp_path):
    """The first call imports what is imported late: nobody may not read this Python."""
    script = """\
import os, sys
from installer.cli import run
command = ["generate-test-cert", "-s", "a.example"]
os.environ["HOME"] = "root"
run(command)
os.chroot(".")
os.setgid(65534)
os.setuid(65534)
os.environ["HOME"] = "/"
sys.exit(run(command))
"""
    tmp_path.chmod(0o777)

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".cloudify-test-ca/a.example.key").stat().st_uid == 65534


def test_a_forecast_tells_by_its_exit_code_whether_something_will_have_expired(inventory, capsys):
    call("generate", "-i", inventory)

    assert run(["certificates", "forecast", "-i", str(inventory)]) == 0
    assert "None of 8 certificates" in capsys.readouterr().out
    assert run(["certificates", "forecast", "-i", str(inventory), "--at", "2999-01-01"]) == 1
    assert "manager-1 will refuse mq-1: RabbitMQ 5671" in capsys.readouterr().out.replace(
        ", agent", ""
    )


def test_the_json_of_a_forecast_names_what_breaks(inventory, capsys):
    call("generate", "-i", inventory)

    run(["certificates", "forecast", "-i", str(inventory), "--at", "2999-01-01", "--json"])

    found = json.loads(capsys.readouterr().out)
    files = {each["file"] for each in found["expired"]}
    assert {"ca.crt", "nodes/db-1/node.crt"} <= files
    assert found["parts"]["REST requests"] == "down"
