"""The page of error codes is what the catalogue says."""

from pathlib import Path

from installer.catalogue.reference import errors_page

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "errors.md"


def test_the_page_is_what_the_catalogue_says():
    """Write it again with `python -m installer.catalogue.reference`."""
    assert PAGE.read_text() == errors_page()
