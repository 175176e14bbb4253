"""Which hosts and networks a request becomes."""

from ipaddress import IPv4Address, IPv4Network, ip_address

import pytest

from installer.errors import ConfigError
from installer.sandbox.inventory import plan_of_inventory
from installer.sandbox.personal import hosts_file
from installer.sandbox.plan import Node, Plan, numbered_nodes, plan_hosts

INVENTORY = """\
cluster: {name: small}
nodes:
  - {name: db-1, address: 10.1.0.11, roles: [database, queue, manager], networks: {app: 10.2.0.11}}
load_balancer: {address: 10.1.0.1}
"""


def nodes(**addresses):
    return [
        Node(name.replace("_", "-"), {"default": address}) for name, address in addresses.items()
    ]


def test_numbered_hosts_lie_on_a_subnet_that_the_name_selects():
    """Two engineers' sandboxes are easier to tell apart when their addresses differ."""
    one, other = (plan_hosts(numbered_nodes(name, 3)) for name in ("one", "other"))

    assert [host.name for host in one.hosts] == ["host-1", "host-2", "host-3"]
    assert one.segments[0].subnet != other.segments[0].subnet
    assert one == plan_hosts(numbered_nodes("one", 3))


@pytest.mark.parametrize("count", [0, -1, 201])
def test_a_sandbox_has_between_1_and_200_hosts(count):
    with pytest.raises(ConfigError, match="--hosts"):
        numbered_nodes("demo", count)


def test_the_controller_has_an_address_that_no_host_has():
    plan = plan_hosts(nodes(a="10.0.0.1", b="10.0.0.2"), reserved=["10.0.0.3"])

    assert plan.segments[0].controller == "10.0.0.4"


def test_a_subnet_grows_until_it_holds_every_address_of_its_network():
    plan = plan_hosts(nodes(a="10.0.0.11", b="10.0.3.11"))

    assert plan.segments[0].subnet == "10.0.0.0/22"
    assert plan.hosts[1].interfaces[0].addresses == ("10.0.3.11/22",)


def test_each_further_network_is_a_card_of_its_own():
    node = Node("db-1", {"default": "192.168.7.5", "app": "10.2.0.5"})

    (host,) = plan_hosts([node]).hosts

    assert [card.name for card in host.interfaces] == ["host0", "host1"]
    assert host.address == "192.168.7.5"
    assert len({card.bridge for card in host.interfaces}) == 2


def test_networks_that_overlap_share_a_cable():
    """Two bridges with one subnet would answer for each other's addresses."""
    node = Node("db-1", {"default": "10.0.0.5", "public": "10.0.0.105"})

    plan = plan_hosts([node])

    assert len(plan.segments) == 1
    assert plan.hosts[0].interfaces[0].addresses == ("10.0.0.5/24", "10.0.0.105/24")


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (nodes(a="10.0.0.300"), "nodes[0].address: '10.0.0.300' is not an IP address"),
        (nodes(a="db.example.org"), "is not an IP address"),
        (nodes(a="fd00::1", b="fd01::1"), "no subnet of a usual size"),
        (nodes(a="10.0.0.1", b="10.0.0.1"), "nodes[1]: '10.0.0.1' belongs to a already"),
        ([Node("Db_1", {"default": "10.0.0.1"})], "nodes[0].name: 'Db_1' is not a host name"),
        (nodes(a="10.0.0.1", b="192.168.0.1"), "no subnet of a usual size"),
    ],
)
def test_hosts_that_cannot_be_made_are_a_problem(wrong, complaint):
    with pytest.raises(ConfigError) as caught:
        plan_hosts(wrong)

    assert complaint in str(caught.value)


def test_the_name_of_a_bridge_port_fits_the_kernel():
    """IFNAMSIZ is 16 with the closing zero; a long host name must not end up in it."""
    names = [Node(f"{'x' * 40}-{n}", {"default": f"10.0.0.{n}"}) for n in range(1, 200)]

    ports = [host.port(card) for host in plan_hosts(names).hosts for card in host.interfaces]

    assert max(map(len, ports)) <= 15
    assert len(set(ports)) == len(ports)


def test_an_inventory_becomes_one_host_for_each_node(tmp_path):
    path = tmp_path / "inventory.yaml"
    path.write_text(INVENTORY)

    plan = plan_of_inventory(path)

    (host,) = plan.hosts
    assert host.name == "db-1"
    assert [card.addresses for card in host.interfaces] == [("10.1.0.11/24",), ("10.2.0.11/24",)]
    assert plan.segments[0].controller != "10.1.0.1"  # the balancer's address
    assert all(IPv4Address(part.controller) in IPv4Network(part.subnet) for part in plan.segments)


def test_ipv6_addresses_get_a_subnet_of_their_own():
    node = Node("db-1", {"default": "fd00:77::11", "old": "10.2.0.5"})

    plan = plan_hosts([node], reserved=["fd00:77::1"])

    assert [segment.subnet for segment in plan.segments] == ["fd00:77::/64", "10.2.0.0/24"]
    assert plan.segments[0].controller == "fd00:77::2"
    assert plan.hosts[0].address == "fd00:77::11"


def test_a_node_whose_address_is_a_name_gets_a_number_and_the_name(tmp_path):
    path = tmp_path / "inventory.yaml"
    path.write_text(INVENTORY.replace("10.1.0.11", "one.example.test"))

    (host,) = plan_of_inventory(path).hosts

    assert host.aliases == ("one.example.test",)
    assert ip_address(host.address)
    assert f"{host.address} one.example.test db-1" in hosts_file(Plan((), (host,)))
