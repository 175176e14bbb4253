"""Each rule finds the one thing that breaks it, and says what to do about it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from installer.catalogue import family_data
from installer.cli import run
from tests.unit.installer.config.samples import INVENTORY, SAMPLES, THREE_ZONES

CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("findings.yaml").read_text())
# found elsewhere: tests/unit/installer/expand, test_compatibility.py
ELSEWHERE = {"secrets-readable", "version-mismatch"}


def text_of(case):
    text = case.get("whole", SAMPLES[case["in"]])
    for old, new in {case.get("change", ""): case.get("to", ""), **case.get("and", {})}.items():
        assert old in text
        text = text.replace(old, new, 1)
    return text + case.get("add", "")


def validated(folder, text, *options):
    """Return the exit code of `validate` for a text; the folder has what it may refer to."""
    file = folder / "input.yaml"
    file.write_text(text.replace("FOLDER", str(folder)))
    option = "-i" if "cluster:\n  name" in text or "- a list" in text else "-c"
    return run(["validate", *options, option, str(file)])


def objects(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("sample", list(SAMPLES.values()), ids=list(SAMPLES))
def test_the_samples_have_no_findings(sample, folder, capsys):
    code = validated(folder, sample, "--json")

    assert (code, objects(capsys)) == (
        0,
        [{"kind": "summary", "valid": True, "errors": 0, "warnings": 0}],
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["code"])
def test_one_change_causes_one_finding_with_its_remedy(case, folder, capsys):
    is_warning = family_data("rules")[case["code"]].get("waivable", False)

    code = validated(folder, text_of(case), "--json")

    *problems, summary = objects(capsys)
    found = [problem for problem in problems if problem["code"] == case["code"]]
    others = {problem["code"] for problem in problems if problem not in found[:1]}
    assert others == set(case.get("also", []))
    assert case["remedy"] in found[0]["remedy"]
    assert found[0]["where"] == case.get("where", found[0]["where"])
    assert found[0]["severity"] == ("warning" if is_warning else "error")
    assert summary["valid"] is (summary["errors"] == 0)
    assert code == (0 if summary["valid"] else 3)


def test_every_rule_of_the_catalogue_has_a_case():
    assert set(family_data("rules")) - ELSEWHERE == {case["code"] for case in CASES}


def test_a_waived_warning_is_not_told(folder, capsys):
    text = THREE_ZONES.replace("zone: b", "zone: a") + "waive: [zone-majority, zone-holds-all]\n"

    code = validated(folder, text)

    assert (code, capsys.readouterr().err) == (0, "")


def test_an_error_cannot_be_waived(folder, capsys):
    validated(folder, INVENTORY.replace("[single-queue]", "[single-queue, even-quorum]"), "--json")

    (problem, _) = objects(capsys)
    assert (problem["code"], problem["where"]) == ("unknown-waiver", "waive[1]")
    assert "correct the error" in problem["remedy"]


def test_a_warning_leaves_the_file_valid(folder, capsys):
    code = validated(folder, INVENTORY.replace("waive: [single-queue]\n", ""))

    said = capsys.readouterr()
    assert code == 0
    assert "nodes: warning: queue-1 is the only broker" in said.err
    assert "[single-queue]" in said.err
    assert "valid, with 1 warning." in said.out


def test_strict_takes_warnings_for_errors(folder, capsys):
    code = validated(folder, INVENTORY.replace("waive: [single-queue]\n", ""), "--strict")

    said = capsys.readouterr()
    assert code == 3
    assert "[single-queue]" in said.err
    assert said.out == ""


def test_warnings_are_told_beside_errors(folder, capsys):
    text = INVENTORY.replace("waive: [single-queue]\n", "").replace("65536", "lots")

    validated(folder, text, "--json")

    *problems, summary = objects(capsys)
    assert [problem["code"] for problem in problems] == ["single-queue", "bad-value"]
    assert (summary["errors"], summary["warnings"]) == (1, 1)


def test_a_node_knows_what_the_inventory_waives(folder):
    """What is accepted for the cluster is not told again on each node."""
    from installer.cluster_secrets import provisional_secrets
    from installer.expand import expand
    from installer.expand.check import load_cluster

    path = folder / "cluster.yaml"
    path.write_text(INVENTORY)
    inventory = load_cluster(path)

    nodes = expand(inventory, provisional_secrets(inventory.secrets_path), {})

    assert {tuple(inputs.config["waive"]) for inputs in nodes.values()} == {("single-queue",)}
