"""Every mistake in a file ends `validate` with exit code 3, and is named by key and line."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from installer.cli import run
from tests.unit.installer.config.samples import DATABASE_NODE, INVENTORY, SAMPLES


@dataclass(frozen=True)
class Mistake:
    """One change to a valid file, the key it must be reported at, and a piece of that line."""

    what: str
    sample: str
    old: str
    new: str
    key: str
    line_part: str

    @property
    def text(self):
        assert self.old in self.sample
        return self.sample.replace(self.old, self.new, 1)

    @property
    def line(self):
        assert self.line_part in self.text
        return self.text[: self.text.index(self.line_part)].count("\n") + 1


def mistakes():
    for entry in yaml.safe_load(Path(__file__).with_name("mistakes.yaml").read_text()):
        yield Mistake(
            what=entry["mistake"],
            sample=SAMPLES[entry["in"]],
            old=entry["change"],
            new=entry["to"],
            key=entry["key"],
            line_part=entry["line"],
        )


def validate(folder, sample, text):
    """Return exit code and file of a run of the command on the text."""
    file = folder / "input.yaml"
    file.write_text(text.replace("FOLDER", str(folder)))
    option = "--inventory" if "nodes:\n  - " in sample else "--config-file"
    return run(["validate", option, str(file)]), file


def places(errors, file):
    """Return line and key of each problem on the terminal."""
    pattern = rf"^(?: *\d+\. )?{re.escape(str(file))}(?::(\d+))?: (.*?): "
    return [(int(line or 0), key) for line, key in re.findall(pattern, errors, re.M)]


@pytest.mark.parametrize("sample", list(SAMPLES.values()), ids=list(SAMPLES))
def test_the_samples_are_valid(sample, folder, capsys):
    code, _ = validate(folder, sample, sample)

    assert (code, capsys.readouterr().err) == (0, "")


@pytest.mark.parametrize("mistake", list(mistakes()), ids=lambda mistake: mistake.what)
def test_a_mistake_is_named_by_line_and_key(mistake, folder, capsys):
    before = {path.name for path in folder.iterdir()} | {"input.yaml"}

    code, file = validate(folder, mistake.sample, mistake.text)

    assert (mistake.line, mistake.key) in places(capsys.readouterr().err, file)
    assert code == 3
    assert {path.name for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "it is empty"),
        ("# nothing but a comment\n", "it is empty"),
        ("- database_service\n", "it holds a list"),
        ("just a sentence\n", "it holds text"),
    ],
)
@pytest.mark.parametrize("sample", [DATABASE_NODE, INVENTORY])
def test_a_file_without_sections_is_refused(sample, text, what, folder, capsys):
    code, file = validate(folder, sample, text)

    assert code == 3
    assert f"{file}: the file: {what}" in capsys.readouterr().err


def test_a_missing_file_is_refused(folder, capsys):
    code = run(["validate", "-c", str(folder / "none.yaml")])

    assert code == 3
    assert "No such file" in capsys.readouterr().err


def test_a_file_that_is_not_text_is_refused(folder, capsys):
    (folder / "input.yaml").write_bytes(b"manager: \xff\xfe")

    code = run(["validate", "-c", str(folder / "input.yaml")])

    assert code == 3
    assert "not UTF-8" in capsys.readouterr().err


def test_all_mistakes_of_a_file_are_told_at_once(folder, capsys):
    text = DATABASE_NODE.replace("10.77.0.11\n  pub", "10.77.0.300\n  pub").replace(
        "hostname", "host_name"
    )
    text = text.replace("ohxahF4oopieV3ai", "hunter2").replace("work_mem", "work_mem: [1]\n    x")

    _, file = validate(folder, DATABASE_NODE, text)

    assert [key for _, key in places(capsys.readouterr().err, file)] == [
        "manager.private_ip",
        "manager.host_name",
        "postgresql_server.config.work_mem",
        "postgresql_server.cluster.patroni.rest_password",
    ]


def test_no_message_shows_a_secret(folder, capsys):
    text = DATABASE_NODE.replace("Xo3gieW8ooNg4Iey", "hunter2")
    text = text.replace("ohxahF4oopieV3ai", "[hunter2]")
    text = text.replace("  config:", "  application: {password_verifier: hunter2}\n  config:")

    _, file = validate(folder, DATABASE_NODE, text)

    errors = capsys.readouterr().err
    assert len(places(errors, file)) == 3
    assert "hunter2" not in errors
