"""Try the network of a sandbox's hosts again and again, over one set of connections.

Run as `python -m tests.cluster.network_cases INVENTORY FOLDER`. Each line of stdin is a JSON list:
what to change of the certificates first, and its arguments. Each answer is a line of JSON.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from datetime import timedelta  # noqa: E402
from pathlib import Path  # noqa: E402

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: E402

from installer.cluster_secrets import provisional_secrets  # noqa: E402
from installer.engine.engine import Engine  # noqa: E402
from installer.engine.target import target_of  # noqa: E402
from installer.expand import certificate_requests, expand  # noqa: E402
from installer.inventory import load_inventory  # noqa: E402
from installer.pki.store import CertificateStore  # noqa: E402
from installer.preflight.network import (  # noqa: E402
    matrix_document,
    matrix_rows,
    network_plan,
    network_problems,
    try_network,
)
from tests.unit.installer.pki.makers import DAY, Made, Recipe, ca, make  # noqa: E402


class Cases:
    """The cluster, its good certificates, and ways to spoil them."""

    def __init__(self, engine, inventory, folder):
        self.engine, self.inventory = engine, inventory
        store = CertificateStore(folder)
        requests = certificate_requests(inventory)
        store.ensure(requests)
        self.files = store.by_node(requests)
        self.authority = Made(
            certificate=x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes()),
            key=load_pem_private_key((folder / "ca.key").read_bytes(), None),
        )

    def good(self):
        """Return the files as they were issued."""
        return self.files

    def node_certificate(self, node, **changes):
        """Return the files with another certificate of a node."""
        host = self.inventory.node(node)
        names = (host.name, host.address, "localhost")
        issuer = changes.pop("issuer", self.authority)
        made = make(Recipe(**({"name": node, "hosts": names} | changes)), issuer)
        spoiled = {"node.crt": made.pem, "node.key": made.key_pem()}
        return self.files | {node: self.files[node] | spoiled}

    def stranger(self, node):
        """A certificate of another CA."""
        return self.node_certificate(node, issuer=ca("Stranger"))

    def expired(self, node):
        """A certificate that ended an hour ago."""
        return self.node_certificate(node, begins=-DAY, ends=-timedelta(hours=1))

    def future(self, node):
        """A certificate that begins tomorrow."""
        return self.node_certificate(node, begins=DAY)

    def misnamed(self, node):
        """A certificate for another host."""
        return self.node_certificate(node, hosts=("elsewhere.example.com",))

    def other_ca(self, node):
        """A node that trusts another CA."""
        return self.files | {node: self.files[node] | {"ca.crt": ca("Stranger").pem}}

    def killed(self):
        """Open all ports, and die as a controller does that somebody kills."""
        self.engine.session("node-1").connect = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        return self.files

    def attempt(self, case, arguments, *, away=(), foreign=()):
        """Try the network with these certificates, and return all that a person would see."""
        files = getattr(self, case)(*arguments)
        secrets = provisional_secrets(self.inventory.secrets_path)
        plan = network_plan(self.inventory, expand(self.inventory, secrets, files), away)
        tried = try_network(self.engine, plan, foreign=[tuple(each) for each in foreign])
        return {
            "problems": [
                [problem.code, problem.where, problem.what] for problem in network_problems(tried)
            ],
            "rows": matrix_rows(tried),
            "document": matrix_document(tried),
            "commands": self.engine.session("node-1").commands,
        }


def main():
    inventory = load_inventory(Path(sys.argv[1]))
    with Engine([target_of(node) for node in inventory.nodes]) as engine:
        cases = Cases(engine, inventory, Path(sys.argv[2]))
        for line in sys.stdin:
            case, arguments, options = json.loads(line)
            answer = json.dumps(cases.attempt(case, arguments, **options))
            sys.stdout.write(f"{answer}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
