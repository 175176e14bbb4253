"""Let the certificates of a cluster in the sandbox have expired, its CA as well."""

import sys
from dataclasses import replace
from datetime import timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support.cluster import Cluster
from tests.support.ledger import program
from tests.support.live_certificates import authority, put_authority
from tests.unit.installer.pki.makers import DAY, Recipe, make

_HOUR = timedelta(hours=1)
_KILL_ALL = """\
for unit in etcd patroni rabbitmq-server nginx haproxy cloudify-restservice cloudify-mgmtworker \
    cloudify-syncthing cloudify-file-sync cloudify-status-reporter; do
    if systemctl cat $unit >/dev/null 2>&1; then systemctl kill --signal=KILL $unit || true; fi
done
"""


def expire(cluster: Cluster, *, with_ca: bool = False) -> None:
    """Let certificates, or the CA too, have expired everywhere; services meet them at a start."""
    issuer = authority(cluster)
    if with_ca:
        ended = Recipe(is_ca=True, key=issuer.key, usages=(), begins=-2 * DAY, ends=-_HOUR)
        issuer = make(_like(issuer.certificate, ended), None)
        put_authority(cluster, issuer, "ca")
    for path in cluster.certificates.glob("nodes/*/*.crt"):
        recipe = Recipe(begins=-2 * _HOUR, ends=-_HOUR)
        made = make(_like(x509.load_pem_x509_certificate(path.read_bytes()), recipe), issuer)
        path.with_suffix(".key").write_bytes(made.key_pem())
        path.write_bytes(made.pem)
    bringing = (sys.executable, "-c", program("push_certificates"), cluster.inventory)
    cluster.beside(*bringing, timeout_s=300)
    for node in cluster.nodes:
        cluster.sh(node, _KILL_ALL)


def _like(present: x509.Certificate, recipe: Recipe) -> Recipe:
    """Return a recipe with the names and usages of a certificate."""
    (name,) = present.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    recipe = replace(recipe, name=str(name.value), hosts=())
    if recipe.is_ca:
        return recipe
    extensions = present.extensions
    usages = tuple(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    names: tuple[x509.GeneralName, ...] = ()
    if ExtendedKeyUsageOID.SERVER_AUTH in usages:
        names = tuple(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    return replace(recipe, hosts=names, usages=usages)
