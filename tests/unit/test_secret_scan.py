"""The look for secrets on hosts sees what it must, or its silence would prove nothing."""

import pytest

from tests.support import secret_scan

VALUE = "Zohy5Thaek0ahdee"


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "is_open"),
    [(0o755, 0o644, True), (0o755, 0o640, False), (0o750, 0o644, False), (0o711, 0o604, True)],
)
def test_a_file_is_open_when_everybody_gets_to_it_and_may_read_it(
    tmp_path, folder_mode, file_mode, is_open
):
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "deeper" / "file"
    file.parent.mkdir(mode=0o755)
    file.touch()
    file.chmod(file_mode)
    folder.chmod(folder_mode)

    assert dict(secret_scan.walk(str(folder.parent), (), is_open=True)) == {str(file): is_open}


def test_a_value_is_found_in_binary_files_and_in_the_midst_of_lines(tmp_path):
    file = tmp_path / "wal"
    file.write_bytes(b"\0\xff\n" * 1000 + b"password=" + VALUE.encode() + b"\0;\n")
    needles = secret_scan.Needles({"mine": VALUE, "other": "Eequ4aiTh4Ohqu2e"})

    assert needles.in_files([str(file)]) == {str(file): ["mine"]}
    assert needles.in_text(file.read_bytes()) == ["mine"]


def test_a_file_that_is_gone_by_now_is_no_failure(tmp_path):
    assert secret_scan.Needles({"mine": VALUE}).in_files([str(tmp_path / "gone")]) == {}


def test_skipped_folders_are_not_looked_at(tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "file").touch()

    assert dict(secret_scan.walk(str(tmp_path), (str(tmp_path / "bundle"),), is_open=True)) == {}
