"""`cluster forecast` and `whatif` as an operator types them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from installer.cli import run

ROOT = Path(__file__).parents[4]
TEN = str(ROOT / "inventories" / "ten-nodes.yaml")
THREE = str(ROOT / "inventories" / "three-nodes.yaml")


def call(capsys, *words):
    code = run(["cluster", *words])
    return code, capsys.readouterr().out


def test_a_forecast_is_a_table_of_losses_and_its_warnings(capsys):
    code, out = call(capsys, "forecast", "-i", TEN)

    assert code == 0
    (row,) = [line for line in out.splitlines() if line.startswith("primary-host ")]
    assert "16 s" in row
    assert "29 s" in row
    assert "single-point-of-failure" in out


def test_explain_shows_the_sum_and_its_sources(capsys):
    _, out = call(capsys, "forecast", "-i", TEN, "--explain", "--only", "primary-host")

    assert "Patroni: ttl, loop_wait" in out
    assert "in all" in out
    assert "broker-host" not in out


def test_the_json_of_a_forecast_adds_up(capsys):
    _, out = call(capsys, "forecast", "-i", TEN, "--json")

    for forecast in json.loads(out)["forecasts"]:
        longest = sum(term["longest_s"] for term in forecast["terms"])
        assert forecast["longest_s"] == pytest.approx(longest)


@pytest.mark.parametrize(
    ("lose", "code", "verdict"),
    [
        ("db-1,queue-2", 0, "It survives."),
        ("zone:a", 1, "It survives in part."),
        ("db-1,db-2", 2, "It does not survive."),
        ("db-1,db-2,queue-1,queue-2", 2, "It does not survive."),
    ],
)
def test_the_exit_code_tells_survival(capsys, lose, code, verdict):
    found, out = call(capsys, "whatif", "-i", TEN, "--lose", lose)

    assert verdict in out
    assert found == code


def test_all_pairs_are_one_table_and_its_exit_code_is_the_worst_single_loss(capsys):
    code, out = call(capsys, "whatif", "-i", THREE, "--all-pairs")

    assert code == 0
    assert out.count("node-1, node-2") == 1
    assert "3 of 3 nodes may be lost, one at a time." in out


def test_the_json_of_a_loss_says_what_becomes_of_each_part(capsys):
    _, out = call(capsys, "whatif", "-i", TEN, "--lose", "db-1", "--json")

    parts = json.loads(out)["parts"]
    assert parts["database"]["outcome"] == "works"
    assert parts["database"]["successors"] == ["db-2", "db-3"]


def test_an_unknown_node_is_a_problem_of_the_configuration(capsys):
    assert run(["cluster", "whatif", "-i", TEN, "--lose", "db1"]) == 3
    assert "did you mean `db-1`?" in capsys.readouterr().err


def test_nothing_lost_is_a_wrong_command_line(capsys):
    assert run(["cluster", "whatif", "-i", TEN]) == 2


@pytest.mark.parametrize("command", ["-h", "forecast", "graph", "may-stop", "status", "whatif"])
def test_quick_commands_import_no_engine(command):
    """pyinfra takes longer to import than these commands to run; gevent is a third of that."""
    program = (
        f"import sys; sys.argv[1:] = ['cluster', '{command}', '-h']; "
        "import installer.__main__; from installer.cli import run; run(sys.argv[1:]); "
        "print(sorted({'pyinfra', 'gevent'} & set(sys.modules)))"
    )

    said = subprocess.check_output([sys.executable, "-c", program], text=True, cwd=ROOT)

    assert said.splitlines()[-1] == "[]"


def documented():
    text = (ROOT / "docs" / "howto" / "foresee.md").read_text()
    lines = [line.partition("#")[0] for line in text.splitlines()]
    return [line.split()[1:] for line in lines if line.startswith("cfy_manager ")]


@pytest.mark.parametrize("words", documented(), ids=" ".join)
def test_what_the_documentation_types_works(words, tmp_path, monkeypatch, capsys):
    (tmp_path / "inventories").symlink_to(ROOT / "inventories")
    monkeypatch.chdir(tmp_path)
    if "--live" in words:
        pytest.skip("it asks a running cluster")

    assert run(words) in (0, 1, 2)
    assert capsys.readouterr().err == ""
