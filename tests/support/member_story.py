"""What tests of changes of members keep of each command, and what they look at on the nodes."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from tests.support.cluster import Cluster
from tests.support.killed import Event, killed_run
from tests.support.ledger import now
from tests.support.losses import leader, members, sql
from tests.support.traffic import Traffic

Span = tuple[float, float]
_OURS = "/etc/cloudify/* /opt/manager /var/lib/etcd /var/lib/postgresql /var/lib/rabbitmq"
_ENTRIES = (
    "SELECT name FROM rabbitmq_brokers UNION SELECT name FROM db_nodes"
    " UNION SELECT hostname FROM managers"
)


@dataclass
class Story:
    """A cluster, what each command told, and when it ran."""

    cluster: Cluster
    clients: Traffic | None = None
    codes: dict[str, int] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    killed: dict[str, list[Event]] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)

    def ask(self, name: str, *words: str) -> None:
        """Run a command that may be refused."""
        begin = now()
        done = self.cluster.manage(*words, "-i", str(self.cluster.inventory), check=False)
        self.codes[name], self.said[name] = done.returncode, done.stdout + done.stderr
        self.spans[name] = begin, now()

    def do(self, name: str, *words: str) -> None:
        """Run a command that must succeed."""
        self.ask(name, *words)
        assert self.codes[name] == 0, self.said[name]

    def kill(self, name: str, words: tuple[str, ...], when: Callable[[Event], bool]) -> None:
        """Run a command that is killed at an event."""
        begin = now()
        command = (*words, "-i", str(self.cluster.inventory))
        self.killed[name] = killed_run(self.cluster, command, when)
        self.spans[f"{name}, killed"] = begin, now()


def event(kind: str, phase: str) -> Callable[[Event], bool]:
    """Return what knows an event of a phase."""
    return lambda told: (told["kind"], told.get("phase")) == (kind, phase)


def voters(cluster: Cluster) -> list[str]:
    """Return the addresses of etcd's members that vote."""
    pair = cluster.pair("node-1")
    said = cluster.beside(
        *("curl", "-sS", "--fail", "--cacert", cluster.ca, "--cert", pair.certificate),
        *("--key", pair.key, f"https://{cluster.address('node-1')}:2379/v3/cluster/member/list"),
        *("-d", "{}"),
    )
    found = [m for m in json.loads(said.stdout)["members"] if not m.get("isLearner")]
    return sorted(url.split("/")[2].partition(":")[0] for m in found for url in m["peerURLs"])


def quorum_queues(cluster: Cluster) -> dict[str, list[str]]:
    """Return the brokers that have a replica of each quorum queue."""
    words = ("rabbitmqctl", "-q", "--formatter", "json", "list_queues", "name", "type", "members")
    queues = json.loads(cluster.on("node-1", *words).stdout)
    return {q["name"]: sorted(q["members"]) for q in queues if q["type"] == "quorum"}


def timeline(cluster: Cluster) -> int:
    """Return how often a database has begun to lead."""
    return int(str(members(cluster)[leader(cluster)]["TL"]))


def states(databases: dict[str, dict[str, object]]) -> dict[str, object]:
    """Return the state of each database; `follows` for those that do."""
    wanted = {"Leader": "running"}
    return {
        name: "well" if m["State"] == wanted.get(str(m["Role"]), "streaming") else m["State"]
        for name, m in databases.items()
    }


def status_code(cluster: Cluster, node: str) -> str:
    """Return how a manager's REST service answers somebody who is not logged in."""
    url = f"https://{cluster.address(node)}/api/v3.1/status"
    words = ("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", cluster.ca, url)
    return cluster.beside(*words).stdout


def owners(cluster: Cluster, address: str) -> list[str]:
    """Return the load balancers that have a virtual address."""
    show = "ip -brief address show"
    return [n for n in cluster.having("loadbalancer") if f" {address}/" in cluster.sh(n, show)]


def leftovers(cluster: Cluster, gone: Collection[str]) -> list[str]:
    """Return what is left of nodes that have left: with the others, on the controller, there."""
    folder = cluster.inventory.parent
    unfinished = [path.name for path in folder.glob("*.runs/departure.json")]
    named = [f"{where} {n}" for where, names in _known(cluster).items() for n in names if n in gone]
    addresses = {*map(cluster.address, cluster.nodes)}
    voting = [f"etcd's {voter}" for voter in voters(cluster) if voter not in addresses]
    look = f"ls -d {_OURS} 2>/dev/null || true"
    there = [f"{node}:{path}" for node in gone for path in cluster.sh(node, look).split()]
    return [*unfinished, *named, *voting, *there]


def _known(cluster: Cluster) -> dict[str, list[str]]:
    """Return the nodes that are known, by who knows them."""
    words = ("rabbitmqctl", "-q", "--formatter", "json", "cluster_status")
    brokers = json.loads(cluster.on("node-1", *words).stdout)["disk_nodes"]
    return {
        "inventory": [*cluster.nodes],
        "certificates": [path.name for path in (cluster.certificates / "nodes").iterdir()],
        "brokers": [name.removeprefix("rabbit@") for name in brokers],
        "Patroni": [*members(cluster)],
        "tables": sql(cluster, leader(cluster), _ENTRIES).split(),
    }
