"""Which certificates are told of in time, and which of them are renewed without a person."""

import shutil
from pathlib import Path

import pytest

from installer.actions.certificate_watch import WatchRequest, endings, look_after
from installer.expand import certificate_requests
from installer.inventory import load_inventory
from installer.pki.authority import create_authority
from installer.pki.store import CertificateStore

EXAMPLE = Path(__file__).parents[4] / "inventories" / "three-nodes.yaml"


class Told:
    """A report that keeps words."""

    def __init__(self):
        self.words = []

    def tell(self, text):
        self.words.append(text)


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "inventories"
    folder.mkdir()
    return Path(shutil.copy(EXAMPLE, folder))


def issue(path: Path, *, days: int, ca_days: int = 3650) -> Path:
    """Issue a cluster's certificates by a CA of its own, and return their folder."""
    inventory = load_inventory(path)
    folder = inventory.certificates_path
    folder.mkdir(parents=True)
    ca = create_authority("Ours", days=ca_days)
    (folder / "ca.crt").write_bytes(ca.certificate)
    (folder / "ca.key").write_bytes(ca.key)
    CertificateStore(folder, days=days).ensure(certificate_requests(inventory))
    return folder


def renewing(path: Path, *, days: int = 30, renew: bool = True):
    """Look after the certificates; return what was renewed, and what is left."""
    asked, report = [], Told()
    request = WatchRequest(days=days, renew=renew)
    left = look_after(path, request, report, lambda *words: asked.append(words[1].nodes))
    return asked, left


def test_what_lives_long_is_not_told(path):
    issue(path, days=365)

    assert endings(path, 30) == ()
    assert renewing(path) == ([], ())


def test_what_ends_soon_is_told_with_what_to_do(path):
    issue(path, days=10)

    found = endings(path, 30)

    assert {each.node for each in found} == {"node-1", "node-2", "node-3"}
    assert all("ends in 9 days" in str(each) for each in found)
    assert all(f"certificates renew -i {path} --node" in str(each) for each in found)


def test_nothing_is_renewed_unless_it_is_allowed(path):
    issue(path, days=10)

    asked, left = renewing(path, renew=False)

    assert asked == []
    assert len(left) > 0


def test_the_nodes_of_what_ends_soon_are_renewed(path):
    issue(path, days=10)

    asked, _ = renewing(path)

    assert asked == [("node-1", "node-2", "node-3")]


def test_without_the_cas_key_it_only_warns(path):
    (issue(path, days=10) / "ca.key").unlink()

    asked, left = renewing(path)

    assert asked == []
    assert all("put ca.key back" in str(each) for each in left)


def test_a_ca_that_ends_is_not_renewed_and_neither_is_what_ends_with_it(path):
    """A new leaf of the same CA would end on the same day: each day would bring another one."""
    issue(path, days=365, ca_days=10)

    asked, left = renewing(path)

    assert asked == []
    assert "ca.crt" in {each.file for each in left}
    assert all("certificates rollover" in str(each) for each in left)
