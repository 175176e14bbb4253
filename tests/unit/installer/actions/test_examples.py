"""What the roles make of the shipped inventories is what each of them promises."""

import functools
import re

import pytest

from installer.actions.roles import role_stages
from installer.cluster_secrets import provisional_secrets
from installer.engine.observation import NodeFacts
from installer.expand import certificate_requests, expand
from installer.expand.check import load_cluster
from installer.pki.store import CertificateStore
from tests.support.examples import EXAMPLES, copy_examples

FACTS = NodeFacts(cpus=2, memory_bytes=4 << 30)
# an IPv6 address of the example with a port behind it, and no bracket between
BARE_IPV6 = re.compile(r"fd00:77::1[0-5]+0?:\d{2,5}\b")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Return a reader of an example: node → path → text of every file, gate and step."""
    folder = copy_examples(tmp_path_factory.mktemp("examples"))

    @functools.cache
    def read(name):
        inventory = load_cluster(folder / f"{name}.yaml")
        requests = certificate_requests(inventory)
        certificates = CertificateStore(folder / name).preview(requests)
        nodes = expand(inventory, provisional_secrets(inventory.secrets_path), certificates)
        return {node: dict(texts(inputs)) for node, inputs in nodes.items()}

    return read


def texts(inputs):
    for role, stages in role_stages(inputs, FACTS).items():
        for number, stage in enumerate(stages):
            for file in stage.state.files:
                yield file.path, file.content.decode(errors="replace")
            yield f"{role} {number}", repr((stage.gate, stage.steps))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_roles_of_each_example_find_what_they_need(name, rendered):
    nodes = rendered(name)

    assert nodes
    assert all(nodes.values())


def test_an_ipv6_address_before_a_port_has_brackets(rendered):
    bare = {
        (node, path, found)
        for node, files in rendered("ipv6").items()
        for path, text in files.items()
        if path != "/etc/haproxy/haproxy.cfg"  # there the last colon is the port's
        for found in BARE_IPV6.findall(text)
    }

    assert bare == set()


def test_an_ipv6_address_with_a_port_is_there_at_all(rendered):
    files = rendered("ipv6")["node-1"]

    assert "https://[fd00:77::11]:2379" in files["/etc/etcd/etcd.yml"]


@pytest.mark.parametrize(
    ("node", "path", "lines"),
    [
        (
            "node-1",
            "/etc/nginx/nginx.conf",
            ("ssl_protocols TLSv1.3;", "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256;"),
        ),
        (
            "node-1",
            "/etc/nginx/cloudify/locations.conf",
            ("includeSubDomains", "X-Frame-Options DENY", "default-src 'none'"),
        ),
        ("node-1", "/etc/rabbitmq/rabbitmq.conf", ("ssl_options.versions.1 = tlsv1.3",)),
        ("lb-1", "/etc/haproxy/haproxy.cfg", ("ssl-min-ver TLSv1.3",)),
        ("node-1", "/opt/manager/manager.yaml", ("account_lock_period: 30",)),
    ],
)
def test_the_strict_preset_reaches_every_service(node, path, lines, rendered):
    text = rendered("hardened")[node][path]

    assert [line for line in lines if line not in text] == []
    assert "TLSv1.2" not in text
    assert "tlsv1.2" not in text


def test_the_strict_preset_reaches_postgresql(rendered):
    texts = rendered("hardened")["node-1"].values()

    assert any('ssl_min_protocol_version: "TLSv1.3"' in text for text in texts)
    assert not any('ssl_min_protocol_version: "TLSv1.2"' in text for text in texts)


def test_without_the_preset_older_clients_are_served(rendered):
    files = rendered("ten-nodes")

    assert "ssl_protocols TLSv1.2 TLSv1.3;" in files["manager-1"]["/etc/nginx/nginx.conf"]
    assert "ssl-min-ver TLSv1.2" in files["lb-1"]["/etc/haproxy/haproxy.cfg"]
    assert "account_lock_period: -1" in files["manager-1"]["/opt/manager/manager.yaml"]
