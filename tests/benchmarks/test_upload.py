"""What an upload of 1 GiB through nginx costs the REST service: memory, processor, time."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.support.file_servers import two_file_servers
from tests.support.manager_app import bootstrapped, certificate, postgres
from tests.support.processes import descendants

__all__ = ["bootstrapped", "certificate", "postgres"]

GIB = 1024**3
LIMIT_MIB = 16  # what a service's memory may grow by; its buffers are of 256 KiB
_CHUNK = bytes(1024 * 1024)


def form(name, size):
    """Yield a form with a file of so many bytes, as a client sends it."""
    head = (
        '--mark\r\nContent-Disposition: form-data; name="params"\r\n\r\n'
        '{"async_upload": true, "skip_execution": true, "state": "uploaded"}\r\n'
        f'--mark\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\n\r\n'
    )
    yield head.encode() + b"\x1f\x8b"  # looks like a tar.gz
    for _ in range(size // len(_CHUNK)):
        yield _CHUNK
    yield b"\r\n--mark--\r\n"


def raw(size):
    yield b"\x1f\x8b"
    for _ in range(size // len(_CHUNK)):
        yield _CHUNK


def peak_mib(server):
    """Return the largest resident set that a worker process of the service ever had."""
    peaks = []
    for pid in descendants(server.rest.pid):
        status = Path(f"/proc/{pid}/status").read_text()
        peaks += [int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line]
    return max(peaks) / 1024


def forget_peaks(server):
    """Let the peaks begin anew: hashing a password took 64 MiB. Source: proc(5), clear_refs."""
    for pid in descendants(server.rest.pid):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


@pytest.fixture(scope="module")
def server(tmp_path_factory, bootstrapped, postgres):
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE uploads TEMPLATE "{bootstrapped.database.name}"')
    settings = replace(bootstrapped, database=replace(bootstrapped.database, name="uploads"))
    with two_file_servers(tmp_path_factory.mktemp("servers"), settings, postgres) as servers:
        yield servers[0]


@pytest.mark.parametrize("kind", ["form", "raw"])
def test_an_upload_of_a_gib_takes_constant_memory(server, kind, record_property):
    path = f"/api/v3.1/blueprints/large-{kind}?async_upload=true&skip_execution=true"
    headers = {"Content-Type": "multipart/form-data; boundary=mark"}
    warm = server.call("PUT", path + "&state=invalid", data=b"\x1f\x8b", headers={})
    assert warm.status_code == 201, warm.text
    forget_peaks(server)
    before, began = peak_mib(server), time.perf_counter()

    if kind == "form":
        reply = server.call("PUT", path, data=form("blueprint_archive", GIB), headers=headers)
    else:
        reply = server.call("PUT", path, data=raw(GIB), headers={})

    took_s, grown = time.perf_counter() - began, peak_mib(server) - before
    assert reply.status_code == 201, reply.text
    stored = server.resources / f"uploaded-blueprints/default_tenant/large-{kind}"
    assert next(stored.iterdir()).stat().st_size == GIB + 2
    record_property("seconds", round(took_s, 1))
    record_property("grown_mib", round(grown, 1))
    sys.stdout.write(f"\n{kind}: 1 GiB in {took_s:.1f} s, {grown:.1f} MiB over {before:.0f}\n")
    assert grown < LIMIT_MIB
