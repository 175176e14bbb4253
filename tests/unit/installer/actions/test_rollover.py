"""The steps of a change of the CA: in which order, what ends one, where the next run goes on."""

from dataclasses import replace

import pytest

from installer.actions.rollover import Nodes, RolloverRequest, roll_over
from installer.errors import ConfigError, PhaseFailed, Problem, Refused
from installer.pki.rollover import CaRollover, Progress
from installer.pki.store import CertificateStore
from tests.unit.installer.pki.makers import DAY, ca
from tests.unit.installer.pki.test_store import REQUESTS

WHOLE = ["converged?", "trusted", "issuing", "withdrawn"]


class Cluster:
    """Nodes that note what was asked of them, and may fail."""

    def __init__(self, rollover: CaRollover) -> None:
        self.rollover = rollover
        self.done: list[str] = []
        self.told: list[str] = []
        self.fails_at: Progress | None = None
        self.works = True
        self.needs_old = False  # a certificate that the user brought

    def nodes(self) -> Nodes:
        return Nodes(
            demand_converged=lambda: self.done.append("converged?"),
            converge=self._converge,
            prove=self._prove,
            work=lambda: self.works,
            recover=lambda _: self.done.append(f"at once: {self.rollover.progress()}"),
            demand_replaced=self._demand_replaced,
        )

    def _converge(self, title: str) -> None:
        self.done.append(str(self.rollover.progress()))

    def _prove(self, progress: Progress) -> str:
        if progress is self.fails_at:
            raise PhaseFailed(Problem(where="db-1", what="refused", remedy="look"))
        return "all is well"

    def _demand_replaced(self) -> None:
        if self.needs_old:
            raise Refused(Problem(where="settings", what="of the CA that goes", remedy="replace"))

    def run(self, **request) -> Progress:
        self.done.clear()
        return roll_over(self.rollover, self.nodes(), RolloverRequest(**request), self.told.append)


@pytest.fixture
def cluster(tmp_path):
    store = CertificateStore(tmp_path / "demo")
    store.ensure(REQUESTS[:1])
    return Cluster(CaRollover(store.folder))


def test_trust_comes_first_and_goes_last(cluster):
    assert cluster.run() is Progress.NONE

    assert cluster.done == WHOLE
    assert cluster.told.count("Proved: all is well.") == 3


@pytest.mark.parametrize("step", [Progress.TRUSTED, Progress.ISSUING, Progress.WITHDRAWN])
def test_a_step_that_is_not_proved_is_not_left(cluster, step):
    cluster.fails_at = step
    with pytest.raises(PhaseFailed):
        cluster.run()
    assert cluster.rollover.progress() is step

    cluster.fails_at = None
    assert cluster.run() is Progress.NONE

    assert cluster.done == WHOLE[WHOLE.index(str(step)) :]


def test_it_stops_where_it_is_told_to_and_is_gone_on_with(cluster):
    assert cluster.run(until=Progress.TRUSTED) is Progress.TRUSTED
    assert cluster.done == ["converged?", "trusted"]

    assert cluster.run(until=Progress.ISSUING) is Progress.ISSUING
    assert cluster.done == ["trusted", "issuing"]

    assert cluster.run() is Progress.NONE
    assert cluster.done == ["issuing", "withdrawn"]


def test_other_changes_that_wait_are_not_rolled_out_with_it(cluster):
    def refuse() -> None:
        raise Refused(Problem(where="db-1", what="it differs", remedy="install"))

    nodes = replace(cluster.nodes(), demand_converged=refuse)
    with pytest.raises(Refused):
        roll_over(cluster.rollover, nodes, RolloverRequest(), print)

    assert cluster.rollover.progress() is Progress.NONE


@pytest.mark.parametrize("works", [True, False], ids=["cluster that works", "dead cluster"])
def test_the_old_ca_stays_while_a_certificate_that_was_brought_needs_it(cluster, works):
    cluster.needs_old, cluster.works = True, works
    if not works:
        expire(cluster)
    with pytest.raises(Refused, match="of the CA that goes"):
        cluster.run()
    assert cluster.rollover.progress() is Progress.ISSUING

    cluster.needs_old = False
    assert cluster.run() is Progress.NONE


def test_a_ca_of_the_user_s_own_begins_as_one_that_is_made(cluster):
    """It lies there before the change begins: what waits, and what it is, are looked at still."""
    own = ca("Own Root")
    for name, content in (("next-ca.crt", own.pem), ("next-ca.key", own.key_pem())):
        (cluster.rollover.folder / name).write_bytes(content)

    assert cluster.run() is Progress.NONE

    assert cluster.done == WHOLE
    assert cluster.rollover.authorities().issuer.common_name == "Own Root"


def test_a_ca_of_the_user_s_own_that_cannot_issue_is_refused(cluster):
    (cluster.rollover.folder / "next-ca.crt").write_bytes(ca("Own Root").pem)
    (cluster.rollover.folder / "next-ca.key").write_bytes(ca("Another").key_pem())

    with pytest.raises(ConfigError, match=r"next-ca\.key"):
        cluster.run()

    assert cluster.rollover.progress() is Progress.MADE


def test_a_ca_of_the_user_s_own_without_its_key_is_not_written_over(cluster):
    own = cluster.rollover.folder / "next-ca.crt"
    own.write_bytes(ca("Own Root").pem)
    before = own.read_bytes()

    with pytest.raises(ConfigError, match=r"next-ca\.key"):
        cluster.run()

    assert own.read_bytes() == before


def test_it_turns_back_over_the_same_steps(cluster):
    old = cluster.rollover.authorities().issuer
    cluster.run(until=Progress.ISSUING)

    assert cluster.run(back=True) is Progress.NONE

    assert cluster.done == ["trusted", "issuing", "withdrawn"]
    assert cluster.rollover.authorities().issuer == old


def test_before_new_certificates_it_turns_back_to_where_it_was(cluster):
    old = cluster.rollover.authorities().issuer
    cluster.run(until=Progress.TRUSTED)

    assert cluster.run(back=True) is Progress.NONE

    assert cluster.done == ["issuing", "withdrawn"]
    assert cluster.rollover.authorities().issuer == old


@pytest.mark.parametrize("until", [Progress.TRUSTED, Progress.ISSUING])
@pytest.mark.parametrize("back", [True, False])
def test_a_way_back_that_failed_goes_on_back_whichever_word_is_said(cluster, until, back):
    """Turned round by every run, the old CA would be withdrawn, and its key be gone."""
    old = cluster.rollover.authorities().issuer
    cluster.run(until=until)
    words = [True, back]
    for cluster.fails_at in (Progress.ISSUING, Progress.WITHDRAWN):
        with pytest.raises(PhaseFailed):
            cluster.run(back=words.pop(0))
    cluster.fails_at = None

    assert cluster.run(back=back) is Progress.NONE

    assert cluster.rollover.authorities().issuer == old
    assert not cluster.rollover.is_turned_back()
    assert sorted(path.name for path in cluster.rollover.folder.glob("*.key")) == ["ca.key"]


def test_what_is_not_begun_cannot_turn_back(cluster):
    with pytest.raises(Refused, match="no change of the CA is under way"):
        cluster.run(back=True)


def expire(cluster):
    """Put a CA in place of the cluster's that ended yesterday."""
    late = ca(begins=-9 * DAY, ends=-DAY)
    for name, content in (("ca.crt", late.pem), ("ca.key", late.key_pem())):
        (cluster.rollover.folder / name).write_bytes(content)


def test_after_the_ca_has_expired_all_nodes_get_the_new_one_at_once(cluster):
    """Where nobody trusts anybody nothing can overlap, and no gate would hold in between."""
    expire(cluster)
    cluster.works = False

    assert cluster.run() is Progress.NONE

    assert cluster.done == ["converged?", "at once: withdrawn", "withdrawn"]


def test_a_recovery_that_failed_is_gone_on_with(cluster):
    expire(cluster)
    cluster.works, cluster.fails_at = False, Progress.WITHDRAWN
    with pytest.raises(PhaseFailed):
        cluster.run()

    cluster.fails_at = None
    assert cluster.run() is Progress.NONE

    assert cluster.done == ["at once: withdrawn", "withdrawn"]


def test_nodes_that_work_without_the_expired_ca_are_not_stopped(cluster):
    """All have got certificates of the new CA before the old one ended."""
    cluster.run(until=Progress.ISSUING)
    late = ca(begins=-9 * DAY, ends=-DAY)
    (cluster.rollover.folder / "previous-ca.crt").write_bytes(late.pem)
    new = cluster.rollover.issuer().certificate
    (cluster.rollover.folder / "ca.crt").write_bytes(new + late.pem)

    assert cluster.run() is Progress.NONE

    assert cluster.done == ["issuing", "withdrawn"]


def test_nobody_turns_back_to_a_ca_that_has_expired(cluster):
    expire(cluster)
    cluster.works = False
    cluster.run(until=Progress.TRUSTED)

    with pytest.raises(Refused, match="the old CA has expired"):
        cluster.run(back=True)

    assert cluster.rollover.progress() is Progress.TRUSTED
