"""Certificates that the user brings: every defect is one problem, a good one has none."""

import subprocess
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from installer.pki.request import Usage
from installer.pki.verify import BroughtCertificate, PemFile, certificate_problems
from tests.unit.installer.pki.makers import CLIENT, DAY, SERVER, Made, ca, leaf

HOSTS = ("db-1", "10.0.0.1")
ROOT = ca()
INTERMEDIATE = ca("Example Intermediate", ROOT)
OTHER = ca("Other Root")
NAMESAKE = ca()  # another key under the same name
CERT, KEY, CA = "cert_path", "key_path", "ca_path"


def brought(
    made: Made, *, after: bytes = b"", key: bytes | None = None, ca: bytes = ROOT.pem
) -> BroughtCertificate:
    return BroughtCertificate(
        certificate=PemFile(CERT, made.pem + after, file="db.crt"),
        key=PemFile(KEY, made.key_pem() if key is None else key),
        ca=PemFile(CA, ca),
        hosts=HOSTS,
    )


GOOD = leaf(ROOT)
BELOW = leaf(INTERMEDIATE)

ACCEPTED = {
    "of a root": brought(GOOD),
    "with its intermediate after it": brought(BELOW, after=INTERMEDIATE.pem),
    "with its intermediate among the trusted": brought(BELOW, ca=INTERMEDIATE.pem + ROOT.pem),
    "with its root after it as well": brought(BELOW, after=INTERMEDIATE.pem + ROOT.pem),
    "with several roots trusted": brought(GOOD, ca=OTHER.pem + ROOT.pem),
    "with a namesake of the root trusted": brought(GOOD, ca=NAMESAKE.pem + ROOT.pem),
    "with text before the PEM": brought(GOOD, after=b"", ca="Größe\n".encode() + ROOT.pem),
    "with a wildcard": replace(
        brought(leaf(ROOT, hosts=("*.example.org",))), hosts=("db-1.example.org",)
    ),
    "with a name in capitals": brought(leaf(ROOT, hosts=("DB-1", "10.0.0.1"))),
    "with an IPv6 address": replace(
        brought(leaf(ROOT, hosts=("2001:db8::1",))), hosts=("2001:0db8:0:0::1",)
    ),
    "without extended key usage": brought(leaf(ROOT, usages=())),
    "without key usage": brought(leaf(ROOT, key_usage=False)),
    "of RSA": brought(leaf(ROOT, key=rsa.generate_private_key(65537, 2048))),
    "of P-384": brought(leaf(ROOT, key=ec.generate_private_key(ec.SECP384R1()))),
    "a day before the warning": brought(leaf(ROOT, ends=31 * DAY)),
    "for clients alone": replace(
        brought(leaf(ROOT, name="cloudify", hosts=(), usages=(CLIENT,))),
        hosts=(),
        user="cloudify",
        usages=(Usage.CLIENT,),
    ),
    "for servers alone": replace(brought(leaf(ROOT, usages=(SERVER,))), usages=(Usage.SERVER,)),
}

# title → what was brought, where the problem is, words of it
REFUSED = {
    "key of another certificate": (brought(GOOD, key=OTHER.key_pem()), KEY, "not that of"),
    "encrypted key": (brought(GOOD, key=GOOD.key_pem(b"secret")), KEY, "encrypted"),
    "garbage key": (brought(GOOD, key=b"hello"), KEY, "no readable private key"),
    "empty key": (brought(GOOD, key=b""), KEY, "no readable private key"),
    "garbage certificate": (
        replace(brought(GOOD), certificate=PemFile(CERT, b"\x00\xffhello")),
        CERT,
        "no readable certificate",
    ),
    "torn certificate": (
        replace(brought(GOOD), certificate=PemFile(CERT, GOOD.pem[:200] + GOOD.pem[300:])),
        CERT,
        "no readable certificate",
    ),
    "garbage CA": (brought(GOOD, ca=b"hello"), CA, "no readable certificate"),
    "expired": (brought(leaf(ROOT, begins=-9 * DAY, ends=-3 * DAY)), CERT, "expired on"),
    "expired an hour ago": (brought(leaf(ROOT, ends=-timedelta(hours=1))), CERT, "expired on"),
    "expires soon": (brought(leaf(ROOT, ends=10 * DAY)), CERT, "expires in 9 days"),
    "not yet valid": (brought(leaf(ROOT, begins=2 * DAY)), CERT, "is valid from"),
    "missing address": (brought(leaf(ROOT, hosts=("db-1",))), CERT, "lack 10.0.0.1"),
    "address as name only": (
        replace(brought(leaf(ROOT, hosts=("db-1", "10.0.0.2"))), hosts=("10.0.0.1",)),
        CERT,
        "lack 10.0.0.1",
    ),
    "missing names": (brought(leaf(ROOT, hosts=())), CERT, "(none) lack db-1, 10.0.0.1"),
    "wildcard for two labels": (
        replace(brought(leaf(ROOT, hosts=("*.example.org",))), hosts=("a.b.example.org",)),
        CERT,
        "lack a.b.example.org",
    ),
    "another user": (replace(brought(GOOD), user="postgres"), CERT, "not the user 'postgres'"),
    "wrong CA": (brought(GOOD, ca=OTHER.pem), CERT, "issuer 'Example Root' is neither"),
    "chain to another root": (
        brought(BELOW, after=INTERMEDIATE.pem + ROOT.pem, ca=OTHER.pem),
        CERT,
        "leads to the CA 'Example Root'",
    ),
    "CA of the same name": (brought(GOOD, ca=NAMESAKE.pem), CERT, "another CA of the same name"),
    "missing intermediate": (brought(BELOW), CERT, "issuer 'Example Intermediate' is neither"),
    "missing root": (
        brought(BELOW, ca=INTERMEDIATE.pem),
        CERT,
        "issuer 'Example Root' is neither",
    ),
    "issuer that is no CA": (
        brought(leaf(GOOD, name="x", hosts=HOSTS), after=GOOD.pem),
        CERT,
        "is not a CA",
    ),
    "issuer that may not sign": (
        brought(leaf(mute := ca(signs=False)), ca=mute.pem),
        CA,
        "may not sign certificates",
    ),
    "CA without key usage": (
        brought(leaf(plain := ca(key_usage=False)), ca=plain.pem),
        CA,
        "has no key usage",
    ),
    "expired CA": (
        brought(leaf(old := ca(begins=-9 * DAY, ends=-DAY)), ca=old.pem),
        CA,
        "the CA 'Example Root' expired",
    ),
    "too many CAs": (
        brought(
            leaf(sub := ca("Sub", short := ca("Short", path_length=0))),
            after=sub.pem,
            ca=short.pem,
        ),
        CA,
        "allows 0 CAs below it",
    ),
    "forbidden by the CA's name constraints": (
        brought(
            leaf(
                narrow := ca(
                    extra=(
                        (
                            x509.NameConstraints(
                                permitted_subtrees=[x509.DNSName("example.org")],
                                excluded_subtrees=None,
                            ),
                            True,
                        ),
                    )
                )
            ),
            ca=narrow.pem,
        ),
        CERT,
        "handshake with it fails: permitted subtree violation",
    ),
    "no server usage": (brought(leaf(ROOT, usages=(CLIENT,))), CERT, "allow it as server"),
    "no client usage": (brought(leaf(ROOT, usages=(SERVER,))), CERT, "allow it as client"),
    "no digital signature": (brought(leaf(ROOT, signs=False)), CERT, "digital signatures"),
    "CA used as leaf": (brought(ROOT), CERT, "is a CA's"),
    "intermediate before the leaf": (
        brought(INTERMEDIATE, after=BELOW.pem, key=BELOW.key_pem()),
        CERT,
        "first certificate, 'Example Intermediate', is a CA's",
    ),
    "weak RSA key": (
        brought(leaf(ROOT, key=rsa.generate_private_key(65537, 1024))),
        CERT,
        "RSA key of 1024 bits is weak",
    ),
    "rare curve": (
        brought(leaf(ROOT, key=ec.generate_private_key(ec.SECP256K1()))),
        CERT,
        "curve secp256k1",
    ),
    "Edwards key": (
        brought(leaf(ROOT, key=ed25519.Ed25519PrivateKey.generate())),
        CERT,
        "neither EC nor RSA",
    ),
}


@pytest.mark.parametrize("case", ACCEPTED.values(), ids=ACCEPTED)
def test_a_good_certificate_has_no_problem(case):
    assert list(certificate_problems(case)) == []


@pytest.mark.parametrize(("case", "where", "words"), REFUSED.values(), ids=REFUSED)
def test_each_defect_is_exactly_one_problem(case, where, words):
    (problem,) = certificate_problems(case)

    assert problem.where == where
    assert words in problem.what


def test_several_defects_are_told_at_once():
    bad = leaf(OTHER, hosts=("db-9",), begins=-9 * DAY, ends=-3 * DAY, usages=(CLIENT,))

    problems = list(certificate_problems(brought(bad, key=GOOD.key_pem())))

    assert [problem.where for problem in problems] == [KEY, CERT, CERT, CERT, CERT]


def test_a_problem_names_the_file():
    (problem,) = certificate_problems(brought(leaf(ROOT, hosts=("db-1",))))

    assert str(problem).startswith("db.crt: cert_path: ")


def test_a_certificate_made_by_the_recipe_of_the_cluster_guide_is_accepted(tmp_path):
    """It has no key usages, and its addresses stand as names as well."""
    names = "DNS:myhost,DNS:127.0.0.1,DNS:1.1.1.2,DNS:localhost,IP:127.0.0.1,IP:1.1.1.2"
    (tmp_path / "conffile").write_text(
        "[req]\ndistinguished_name = dn\nx509_extensions = v3_ext\n"
        "[dn]\ncommonName = _common_name\ncommonName_default = myhost\n"
        "[v3_ext]\nbasicConstraints=CA:false\nauthorityKeyIdentifier=keyid:true\n"
        f"subjectKeyIdentifier=hash\nsubjectAltName={names}\n"
    )
    (tmp_path / "ca.crt").write_bytes(ROOT.pem)
    (tmp_path / "ca.key").write_bytes(ROOT.key_pem())
    for command in (
        "req -newkey rsa:2048 -nodes -batch -sha256 -config conffile -out csr -keyout key",
        "x509 -days 3650 -sha256 -req -in csr -out crt -extensions v3_ext -extfile conffile"
        " -CA ca.crt -CAkey ca.key -CAcreateserial",
    ):
        subprocess.run(["openssl", *command.split()], cwd=tmp_path, check=True, capture_output=True)

    case = BroughtCertificate(
        certificate=PemFile(CERT, (tmp_path / "crt").read_bytes()),
        key=PemFile(KEY, (tmp_path / "key").read_bytes()),
        ca=PemFile(CA, ROOT.pem),
        hosts=("myhost", "1.1.1.2", "127.0.0.1", "localhost"),
    )

    assert list(certificate_problems(case)) == []


def test_no_representation_shows_a_key():
    case = brought(GOOD)

    assert "PRIVATE" not in repr(case)
