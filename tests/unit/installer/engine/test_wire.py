"""A request reaches the node whatever it holds, and an answer comes back or a problem tells why."""

import ast
import subprocess
from pathlib import Path

import pytest

from installer.engine import node, wire
from installer.engine.agent import Request
from installer.engine.wire import BEGAN, EXIT, MARK, command, read_reply
from installer.errors import Problem
from tests.unit.installer.engine.shell import Shell


def ask(script, secrets=None):
    request = {"script": script, "secrets": secrets or {}, "timeout_s": 20}
    return read_reply("node", *Shell().execute(Request("script", request, 30)))


def test_a_request_may_be_longer_than_a_command_line():
    """128 KiB is the kernel's limit for one argument."""
    text = "x" * 1_000_000

    assert ask(f"printf %s '{text}' | wc -c")["stdout"].strip() == "1000000"


def test_the_command_line_is_the_same_for_every_request():
    """So nothing of a request can be seen by `ps` or in a debug log."""
    told = ask(
        "for p in $PPID $$; do tr '\\0' ' ' < /proc/$p/cmdline; done; : harmless",
        {"PASSWORD": "only-by-stdin"},
    )

    assert "exec(zlib" in told["stdout"]
    assert "only-by-stdin" not in told["stdout"]
    assert "harmless" not in told["stdout"]


def test_output_of_any_encoding_arrives():
    assert ask("printf 'a\\377b\\000c'")["stdout"] == "a\ufffdb\0c"


def test_a_script_cannot_swallow_its_own_text():
    assert ask("cat; echo after")["stdout"] == "after\n"


def test_the_noise_of_a_login_shell_is_ignored():
    noise = ["Welcome!", ""]
    out, err = Shell().execute(Request("script", _nothing(), 30))

    assert read_reply("node", noise + out + noise, err + noise)["code"] == 0


def _nothing():
    return {"script": ":", "secrets": {}, "timeout_s": 5}


def test_a_host_without_python_is_told_so(tmp_path):
    done = subprocess.run(
        ["/bin/sh", "-c", command(sudo=False)],
        env={"PATH": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )

    problem = read_reply("db-1", done.stdout.splitlines(), done.stderr.splitlines())

    assert "python3 is missing" in problem.what
    assert "python3-minimal" in problem.remedy


def test_what_sudo_says_stands_before_the_end(tmp_path):
    sudo = tmp_path / "sudo"
    sudo.write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    sudo.chmod(0o755)

    line = ["/bin/sh", "-c", command(sudo=True)]
    done = subprocess.run(line, env={"PATH": str(tmp_path)}, capture_output=True, text=True)

    assert done.stdout == f"sudo: a password is required\n{EXIT}1\n"


@pytest.mark.parametrize(
    ("stdout", "stderr", "what"),
    [
        ([], [], "the connection ended"),
        ([f"{EXIT}1"], ["sudo: a password is required"], "sudo wants a password"),
        ([f"{EXIT}127"], ["sh: 1: sudo: not found"], "sudo is missing"),
        ([f"{EXIT}142"], ["Alarm clock"], "did not end within its time"),
        ([f"{EXIT}3"], [], "exit 3"),
    ],
)
def test_no_answer_is_a_problem_with_its_cause(stdout, stderr, what):
    problem = read_reply("db-1", stdout, stderr)

    assert problem.where == "db-1"
    assert what in problem.what


def test_a_shell_line_never_fails_by_itself():
    """pyinfra searches the output of a failed command for sudo's prompt and asks the terminal."""
    done = subprocess.run(
        ["sh", "-c", command(sudo=False)], input=b"no program\n", capture_output=True
    )

    assert done.returncode == 0


def test_a_program_that_fails_unexpectedly_is_a_problem():
    told = read_reply("db-1", *Shell().execute(Request("script", {}, 30)))

    assert isinstance(told, Problem)
    assert "KeyError" in told.what


def test_a_hung_program_is_ended_by_the_node_itself():
    hung = {"script": "sleep 30", "secrets": {}, "timeout_s": 30}

    told = read_reply("db-1", *Shell().execute(Request("script", hung, 1)))

    assert "did not end within its time" in told.what


def test_the_mark_stands_alone_on_its_line():
    """Output without a final newline before it must not hide the answer."""
    out, _ = Shell(before="printf partial; ").execute(Request("script", _nothing(), 10))

    assert out[:2] == ["partial", BEGAN]
    assert any(line.startswith(MARK) for line in out)


@pytest.mark.parametrize("program", sorted(wire._NEEDS))
def test_a_program_brings_what_its_modules_import_on_top(program):
    """On the node there is nothing else; some programs never need what is imported later."""
    modules = wire.modules_of(program)
    prefix = f"{node.__name__}."

    for place, name in enumerate(modules):
        tree = ast.parse(Path(node.__path__[0], f"{name}.py").read_text())
        wanted = [found.module or "" for found in tree.body if isinstance(found, ast.ImportFrom)]
        ours = [module.removeprefix(prefix) for module in wanted if module.startswith(prefix)]
        assert set(ours) <= set(modules[:place]), name
