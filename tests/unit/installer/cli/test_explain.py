"""`cfy_manager explain` answers offline, and a failure names what to ask it for."""

import json

import pytest
from click.testing import CliRunner

from installer.catalogue import entries
from installer.cli.explain import explain
from installer.cli.failure import report_failure
from installer.errors import CAUSE, PhaseFailed, Problem


def run(*words):
    return CliRunner().invoke(explain, words)


def test_a_code_is_explained_with_or_without_brackets():
    said = run("[Disk-Full]").output

    assert said == run("disk-full").output
    assert "Cause" in said
    assert "df -h" in said


def test_several_codes_are_explained_in_turn():
    said = run("disk-full", "port-taken").output

    assert said.index("disk-full: ") < said.index("port-taken: ")


def test_a_mistyped_code_names_its_neighbours():
    done = run("etcd-cluser-id")

    assert done.exit_code == 2
    assert "did you mean etcd-cluster-id-mismatch" in done.output


def test_the_list_has_every_code_and_its_title():
    said = run("--list").output

    assert all(found.code in said and found.title in said for found in entries())


def test_json_has_the_same_keys_for_one_code_and_for_all():
    (one,) = json.loads(run("disk-full", "--json").output)
    every = json.loads(run("--list", "--json").output)

    assert one in every
    assert one["next"]


@pytest.mark.parametrize("words", [(), ("disk-full", "--list")])
def test_one_of_code_and_list_is_wanted(words):
    assert run(*words).exit_code == 2


class TestFailure:
    def shared(self, node):
        return Problem(
            where=node,
            what="not reached",
            remedy="on n: df -h",
            code="disk-full",
            details=(f"{CAUSE}A file system is full", f"evidence  host: {node} has 0 MiB free"),
        )

    def test_what_nodes_share_is_told_once_and_each_ones_evidence_with_it(self, capsys):
        assert report_failure(PhaseFailed(self.shared("a"), self.shared("b"))) == 6

        said = capsys.readouterr().err
        assert said.count("A file system is full") == 1
        assert said.count("MiB free") == 2
        assert said.count("df -h") == 1
        assert "as above, on b" in said

    def test_it_ends_with_how_to_learn_more_once(self, capsys):
        report_failure(PhaseFailed(self.shared("a"), self.shared("b")))

        assert capsys.readouterr().err.endswith("More: cfy_manager explain disk-full\n")

    def test_a_problem_without_a_code_does_not_send_anyone_there(self, capsys):
        report_failure(PhaseFailed(Problem(where="a", what="broken", remedy="mend it")))

        assert "explain" not in capsys.readouterr().err
