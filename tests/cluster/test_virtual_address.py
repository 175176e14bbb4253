"""Two load balancers share a virtual address: the loss of one is a matter of seconds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.cluster import Cluster, tool, wait_until
from tests.support.sandbox import sandbox_of

pytestmark = pytest.mark.cluster

VIRTUAL_IP = "10.79.0.40"
INVENTORY = {
    "cluster": {"name": "pair"},
    "nodes": [
        {"name": "one", "address": "10.79.0.11", "roles": ["database", "queue", "manager"]},
        {"name": "lb-1", "address": "10.79.0.21", "roles": ["loadbalancer"]},
        {"name": "lb-2", "address": "10.79.0.22", "roles": ["loadbalancer"]},
    ],
    "load_balancer": {"virtual_ip": VIRTUAL_IP},
}
TAKEN_OVER_S = 15  # VRRP misses three advertisements of 1 s; the rest is a loaded machine's


@pytest.fixture(scope="module")
def pair(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    source = tmp_path_factory.mktemp("pair") / "inventory.yaml"
    source.write_text(yaml.safe_dump(INVENTORY))
    with sandbox_of("pair", source) as made:
        found = tool("sandbox", "inventory", made.name, "-i", source, "--bundle", bundle)
        cluster = Cluster(made.name, Path(found.strip()))
        cluster.install()
        yield cluster


def owners(cluster: Cluster, among: tuple[str, ...] = ("lb-1", "lb-2")) -> list[str]:
    """Return the load balancers that have the virtual address."""
    show = "ip -brief address show"
    return [name for name in among if f" {VIRTUAL_IP}/" in cluster.sh(name, show)]


def answers(cluster: Cluster) -> bool:
    """Tell whether a manager answers at the virtual address, by a certificate made out to it."""
    url = f"https://{VIRTUAL_IP}/api/v3.1/ok"
    words = ("curl", "--silent", "--fail", "--max-time", "2", "--cacert", cluster.ca, url)
    return "OK" in cluster.beside(*words, check=False).stdout


def test_one_of_the_two_has_the_address_and_serves_it(pair):
    wait_until(lambda: len(owners(pair)) == 1, "one has the address", timeout_s=TAKEN_OVER_S)
    wait_until(lambda: answers(pair), "the manager answers", timeout_s=TAKEN_OVER_S)


def test_the_other_takes_over_when_one_loses_its_power(pair):
    (owner,) = owners(pair)
    (other,) = {"lb-1", "lb-2"} - {owner}
    pair.fail("power-off", owner)

    try:
        wait_until(lambda: answers(pair), "the other serves it", timeout_s=TAKEN_OVER_S)
        assert owners(pair, (other,)) == [other]
    finally:
        pair.heal(owner)


def test_the_other_takes_over_when_haproxy_ends(pair):
    wait_until(lambda: len(owners(pair)) == 1, "one has the address", timeout_s=60)
    (owner,) = owners(pair)
    pair.sh(owner, "systemctl stop haproxy")

    try:
        wait_until(lambda: owner not in owners(pair), "it gives it up", timeout_s=TAKEN_OVER_S)
        wait_until(lambda: answers(pair), "the other serves it", timeout_s=TAKEN_OVER_S)
    finally:
        pair.sh(owner, "systemctl start haproxy")


def test_a_second_install_changes_nothing(pair):
    wait_until(lambda: len(owners(pair)) == 1, "one has the address", timeout_s=60)

    events = pair.install()

    finished = [event for event in events if event["kind"] == "phase-finished"]
    assert {event["outcome"] for event in finished} == {"unchanged"}
