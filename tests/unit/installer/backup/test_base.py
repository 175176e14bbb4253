"""How the programs on a node call their tools."""

import pytest

from installer.backup.node.base import Failure, run


def test_words_that_are_no_text_are_told_all_the_same():
    """pgBackRest quotes what it cannot read: another password makes noise of the repository."""
    with pytest.raises(Failure, match="CryptoError"):
        run(["sh", "-c", "printf 'CryptoError \\263\\377' >&2; exit 95"])
