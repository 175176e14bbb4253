"""The old CA is not withdrawn while a certificate that the user brought is of it."""

import pytest
import yaml

from installer.actions.outgoing import outgoing_problems
from installer.inventory import load_inventory
from tests.unit.installer.pki.makers import ca, leaf

OLD, NEW, OTHER, ROOT = ca("Old Root"), ca("New Root"), ca("Other Root"), ca("Root of both")
OLD_BELOW, NEW_BELOW = ca("Old", ROOT), ca("New", ROOT)
OF_OTHERS = leaf(OTHER)


@pytest.fixture
def problems(tmp_path):
    """Return a function that tells what speaks against a withdrawal."""

    def told(content, going, staying):
        (tmp_path / "own.crt").write_bytes(content)
        for name, made in (("own.key", OF_OTHERS.key_pem()), ("own-ca.crt", OLD.pem)):
            (tmp_path / name).write_bytes(made)
        document = {
            "cluster": {"name": "demo"},
            "nodes": [
                {"name": "one", "address": "10.0.0.1", "roles": ["database", "queue", "manager"]}
            ],
            "settings": {
                "ssl_inputs": {
                    "external_cert_path": str(tmp_path / "own.crt"),
                    "external_key_path": str(tmp_path / "own.key"),
                    "external_ca_cert_path": str(tmp_path / "own-ca.crt"),
                }
            },
        }
        path = tmp_path / "demo.yaml"
        path.write_text(yaml.safe_dump(document))
        return list(outgoing_problems(load_inventory(path), going, staying))

    return told


def test_a_certificate_of_the_ca_that_goes_is_a_problem(problems, tmp_path):
    (problem,) = problems(leaf(OLD).pem, OLD.pem, NEW.pem)

    assert problem.where == "settings.ssl_inputs.external_cert_path"
    assert problem.file == str(tmp_path / "own.crt")
    assert "the CA that goes" in problem.what
    assert "certificates replace" in problem.remedy
    assert problem.code == "rollover-brought-certificate"


def test_so_is_one_whose_intermediate_it_has_issued(problems):
    between = ca("Between", OLD)

    assert problems(leaf(between).pem + between.pem, OLD.pem, NEW.pem)


@pytest.mark.parametrize(
    ("content", "going", "staying"),
    [
        (leaf(NEW).pem, OLD.pem, NEW.pem),
        (OF_OTHERS.pem, OLD.pem, NEW.pem),
        (leaf(ROOT).pem, OLD_BELOW.pem + ROOT.pem, NEW_BELOW.pem + ROOT.pem),
    ],
    ids=["of the new CA", "of another CA", "of a root above both"],
)
def test_what_others_vouch_for_is_none(problems, content, going, staying):
    assert problems(content, going, staying) == []
