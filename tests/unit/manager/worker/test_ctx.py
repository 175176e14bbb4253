"""The `ctx` command and its server: the original's protocol, by either's client."""

import os
import subprocess
import sys
import time

import pytest
from cloudify.mocks import MockCloudifyContext
from cloudify.proxy.client import main as original_main
from cloudify.state import current_ctx

from manager.settings import WorkerSettings
from manager.worker.ctx_proxy import LoopbackCtxProxy
from manager.worker.places import Places


@pytest.fixture
def context():
    context = MockCloudifyContext(
        node_id="app_1", properties={"port": 80, "list": [1, 2]}, runtime_properties={"a": {"b": 1}}
    )
    context.returned = []
    context.returns = context.returned.append
    current_ctx.set(context)
    yield context
    current_ctx.clear()


@pytest.fixture
def proxy(context):
    proxy = LoopbackCtxProxy(context)
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    places = Places(tmp_path_factory.mktemp("work"))
    places.prepare()
    return places.programs / "ctx"


def run(command, proxy, *words):
    environment = {**os.environ, "CTX_SOCKET_URL": proxy.socket_url}
    return subprocess.run(
        [command, *words], env=environment, capture_output=True, text=True, check=False
    )


CASES = [
    ("node", "properties", "port"),
    ("-j", "node", "properties"),
    ("--json-output", "node", "properties", "list"),
    ("instance", "runtime-properties", "a.b"),
    ("-t", "5", "instance", "id"),
    ("--timeout=5", "instance", "id"),
    ("-t5", "instance", "id"),
    ("node", "properties", "absent", ""),
]


@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_it_prints_what_the_original_prints(command, proxy, capsys, monkeypatch, words):
    monkeypatch.setenv("CTX_SOCKET_URL", proxy.socket_url)
    original_main(list(words))

    assert run(command, proxy, *words).stdout == capsys.readouterr().out


@pytest.mark.parametrize(
    ("word", "value"), [('@{"x": [1]}', {"x": [1]}), ("-5", "-5"), ("@-5", -5), ("text", "text")]
)
def test_it_sets_what_it_is_given(command, proxy, context, word, value):
    done = run(command, proxy, "instance", "runtime-properties", "key", word)

    assert done.returncode == 0, done.stderr
    assert context.instance.runtime_properties["key"] == value


def test_an_error_ends_it_with_a_message(command, proxy):
    done = run(command, proxy, "no_such_thing")

    assert done.returncode == 1
    assert "no_such_thing" in done.stderr


def test_without_an_operation_it_says_so(command):
    environment = {name: v for name, v in os.environ.items() if name != "CTX_SOCKET_URL"}
    done = subprocess.run(
        [command, "node"], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "CTX_SOCKET_URL" in done.stderr


def test_the_proxy_closes_at_once(context):
    proxy = LoopbackCtxProxy(context)
    began = time.monotonic()

    proxy.close()

    assert time.monotonic() - began < 0.08  # the original's looks every 0.1 s


def test_the_command_runs_in_the_runtimes_python(command):
    first = command.read_text().splitlines()[0]

    assert first == f"#!{sys.executable} -IS"
    assert WorkerSettings().home.name == "work"
