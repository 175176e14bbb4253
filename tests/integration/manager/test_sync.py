"""Two real syncthing processes on loopback, told what to do by the reconciler."""

import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
import requests

from manager.services.bootstrap import BootstrapSecrets, bootstrap
from manager.services.cluster import remove_manager
from manager.services.device import device_id
from manager.services.sync import SyncthingApi, cluster_peers, keep_in_step
from manager.services.sync_home import prepare_home
from manager.settings import FileSyncSettings, PathSettings
from tests.support.postgres_server import free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("syncthing") is None, reason="apt install syncthing"),
]

TIMEOUT_S = 60


def make_certificate(home, hostname):
    """Write a certificate as the cluster's CA issues it: P-256, the host name as a SAN."""
    words = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    subprocess.run(
        [
            "openssl",
            *words,
            *("-subj", f"/CN={hostname}", "-addext", f"subjectAltName=DNS:{hostname}"),
            *("-keyout", str(home / "key.pem"), "-out", str(home / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )


def member(settings, folder, number, port):
    """Return the settings of manager `number`, on a loopback address of its own."""
    name = f"manager-{number}"
    home, resources = folder / name / "syncthing", folder / name / "resources"
    for path in (home, resources):
        path.mkdir(parents=True)
    make_certificate(home, name)
    return replace(
        settings,
        manager=replace(settings.manager, hostname=name, private_ip=f"127.0.2.{number}"),
        file_sync=FileSyncSettings(
            home=home, api_port=free_port(), api_key_path=home / "api.key", port=port
        ),
        paths=PathSettings(resources=resources),
    )


@contextmanager
def running(settings):
    """Run syncthing as its unit does."""
    prepare_home(settings)
    home = settings.file_sync.home
    flags = ["--no-browser", "--no-restart", "--no-upgrade", "--no-default-folder"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            ["syncthing", "serve", f"--home={home}", *flags], stdout=log, stderr=log
        )
    try:
        wait_until(lambda: answers(settings))
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


def answers(settings):
    try:
        SyncthingApi(settings)._call("GET", "/system/ping")
    except requests.ConnectionError:
        return False
    return True


def wait_until(condition):
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.1)


def reconcile(database, settings):
    with database.session() as session:
        peers = cluster_peers(session, settings)
    return SyncthingApi(settings).reconcile(peers)


def join(database, settings):
    with database.session() as session:
        bootstrap(session, settings, BootstrapSecrets())


def arrives(path, text):
    return lambda: path.is_file() and path.read_text() == text


@pytest.fixture
def pair(database, settings, tmp_path):
    """Return two managers of one cluster; the one of the bootstrap is gone."""
    port = free_port()
    members = [member(settings, tmp_path, number, port) for number in (1, 2)]
    with database.session() as session:
        remove_manager(session, settings.manager.hostname)
    return members


def test_managers_that_join_and_leave_replicate_without_a_restart(database, pair):
    first, second = pair
    join(database, first)
    with running(first), running(second):
        reconcile(database, first)
        (first.paths.resources / "early").write_text("before the second joined")

        join(database, second)
        for settings in pair:
            reconcile(database, settings)

        wait_until(arrives(second.paths.resources / "early", "before the second joined"))
        (second.paths.resources / ".incoming").mkdir()
        (second.paths.resources / ".incoming" / "part").write_text("an upload in the middle")
        (second.paths.resources / "blueprints").mkdir()
        (second.paths.resources / "blueprints" / "late").write_text("the other way")
        wait_until(arrives(first.paths.resources / "blueprints" / "late", "the other way"))
        assert not (first.paths.resources / ".incoming").exists()
        assert [reconcile(database, settings) for settings in pair] == [[], []]

        with database.session() as session:
            remove_manager(session, "manager-2")
        assert reconcile(database, first) == ["folder", "no device manager-2"]
        devices = SyncthingApi(first)._call("GET", "/config/devices")
        assert [device["name"] for device in devices] == ["manager-1"]


def test_the_reconciler_goes_on_when_syncthing_comes_later(database, pair, caplog):
    caplog.set_level("INFO", "manager.services.sync")
    first = replace(pair[0], file_sync=replace(pair[0].file_sync, interval_s=0.1))
    join(database, first)
    prepare_home(first)
    stop = threading.Event()
    thread = threading.Thread(target=keep_in_step, args=(first, database, stop))
    thread.start()
    try:
        wait_until(lambda: "cannot reconcile" in caplog.text)
        with running(first):
            wait_until(lambda: "in step with 1 managers" in caplog.text)
    finally:
        stop.set()
        thread.join(20)

    assert not thread.is_alive()
    assert caplog.text.count("in step") == 1


def test_syncthing_talks_to_nobody_but_the_managers(database, pair):
    first, _ = pair
    join(database, first)
    with running(first) as process:
        before = SyncthingApi(first)._call("GET", "/config/options")
        reconcile(database, first)

        assert before["globalAnnounceEnabled"] is False
        assert before["localAnnounceEnabled"] is False
        assert before["relaysEnabled"] is False
        assert before["natEnabled"] is False
        assert listening(process.pid) == {
            ("127.0.0.1", first.file_sync.api_port),
            ("127.0.2.1", first.file_sync.port),
        }


def test_a_device_id_is_the_one_that_syncthing_computes(pair):
    for settings in pair:
        home = settings.file_sync.home
        shown = subprocess.run(
            ["syncthing", "--device-id", f"--home={home}"],
            check=True,
            capture_output=True,
            text=True,
        )
        assert device_id(home / "cert.pem") == shown.stdout.strip()


def test_a_renewed_certificate_is_entered_by_the_reconciler(database, pair):
    first, _ = pair
    join(database, first)
    make_certificate(first.file_sync.home, "manager-1")

    with database.session() as session:
        (peer,) = cluster_peers(session, first)

    assert peer.device_id == device_id(first.file_sync.home / "cert.pem")


def test_key_and_first_configuration_are_their_owners_alone_and_stay(pair):
    first, _ = pair
    prepare_home(first)
    paths = [first.file_sync.api_key_path, first.file_sync.home / "config.xml"]
    written = [path.read_text() for path in paths]

    prepare_home(first)

    assert [path.stat().st_mode & 0o777 for path in paths] == [0o600, 0o600]
    assert [path.read_text() for path in paths] == written


def listening(pid):
    """Return the addresses and ports that a process and its children listen on over TCP."""
    shown = subprocess.run(["ss", "-Hltnp"], check=True, capture_output=True, text=True).stdout
    family = {str(pid), *children(pid)}
    found = set()
    for line in shown.splitlines():
        if any(f"pid={member}," in line for member in family):
            address, _, port = line.split()[3].rpartition(":")
            found.add((address, int(port)))
    return found


def children(pid):
    shown = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True)
    return shown.stdout.split()
