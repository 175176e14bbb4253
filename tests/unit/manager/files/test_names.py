import posixpath
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager.errors import BadParameters
from manager.files.names import decoded_parts, file_name_of, is_safe_name, safe_parts
from manager.files.tree import FileTree


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0b", "a\nb", "é" * 128, "\ud800"])
def test_what_is_not_one_file_name_is_refused(tmp_path, name):
    assert not is_safe_name(name)
    for path in (FileTree(tmp_path).blueprint, FileTree(tmp_path).deployment):
        with pytest.raises(BadParameters):
            path("default_tenant", name)
        with pytest.raises(BadParameters):
            path(name, "id")


@given(st.text(max_size=20))
def test_no_id_leads_out_of_the_tree(name):
    tree = FileTree(__import__("pathlib").Path("/tree"))
    try:
        path = tree.archives("tenant", name)
    except BadParameters:
        return

    assert posixpath.normpath(str(path)) == str(path)
    assert path.parent == tree.root / "uploaded-blueprints" / "tenant"


@given(st.text("abc./%2eF\\é", max_size=20))
def test_a_path_that_is_accepted_is_what_the_web_server_serves(raw):
    """nginx decodes once, merges slashes and takes dots out; an accepted path has none of it."""
    parts = decoded_parts(raw)
    if parts is None:
        return

    served = posixpath.normpath("/" + unquote(raw))
    assert served == "/" + "/".join(part for part in parts if part)


@pytest.mark.parametrize(
    "raw", ["a/../b", "a/%2e%2e/b", "a//b", "a/%2F/b", "", "/a", "%00", "a/%ff", "a%0ab", "."]
)
def test_detours_are_refused(raw):
    assert decoded_parts(raw) is None


def test_quoted_names_and_a_slash_at_the_end_are_understood():
    assert decoded_parts("a/" + quote("ü ?") + "/") == ("a", "ü ?", "")


def test_a_main_file_may_lie_in_a_folder_but_not_outside():
    assert file_name_of("examples%2Faws.yaml") == "examples/aws.yaml"
    assert file_name_of(None) == ""
    with pytest.raises(BadParameters):
        file_name_of("..%2Fother.yaml")
    assert safe_parts("a/b") == ("a", "b")
