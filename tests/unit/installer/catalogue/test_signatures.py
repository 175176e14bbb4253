"""Signatures know the real words of the programs that we install, and nothing of healthy ones.

The lines come from services of Debian 12 and 13 that were broken on purpose in the sandbox, or from
the texts that the programs carry; `healthy.txt` is what a rollout of three nodes wrote.
"""

import re
from pathlib import Path

import pytest
import yaml

from installer.catalogue.signatures import ANY, all_signs, causes_in, first_cause
from installer.engine.node.diagnose import matches

HERE = Path(__file__).parent
SAMPLES = yaml.safe_load((HERE / "samples.yaml").read_text())
CASES = [
    (code, *sample)
    for samples in SAMPLES.values()
    for code, lines in samples.items()
    for sample in lines
]
SIGNS = [(sign.code, sign.source, sign.pattern) for sign in all_signs()]
HEALTHY = [line.split(": ", 1) for line in (HERE / "healthy.txt").read_text().splitlines()]


def cause_of(*lines):
    found = matches([(source, 0.0, text) for source, text in lines], SIGNS)
    return first_cause(code for code, _ in found)


@pytest.mark.parametrize(("code", "source", "line"), CASES)
def test_a_real_line_tells_its_cause(code, source, line):
    assert cause_of((source, line)) == code


def test_every_pattern_has_a_real_line():
    unseen = [
        sign
        for sign in all_signs()
        if not any(
            sign.source in (source, ANY) and re.search(sign.pattern, line)
            for _, source, line in CASES
        )
    ]

    assert unseen == []


def test_healthy_services_say_nothing_that_matches():
    assert matches([(source, 0.0, text) for source, text in HEALTHY], SIGNS) == {}


def test_a_cause_is_told_before_what_follows_from_it():
    refused = '{"msg":"rejected connection","error":"remote error: tls: bad certificate"}'
    why = '{"error":"tls: failed to verify certificate: x509: certificate signed by unknown authority"}'  # noqa: E501

    assert cause_of(("etcd", refused), ("etcd", why)) == "certificate-wrong-ca"


def test_what_a_step_says_names_a_cause_but_not_what_follows_from_one():
    """Its connection was refused: why, the service says that refused it."""
    unknown = (
        "failed with exit 3: /opt/manager/manager.yaml: rabbitmq.vhost: unknown key / → remove it"
    )

    assert causes_in(f"connection refused\n{unknown}") == {"service-refuses-its-configuration"}


def test_the_words_of_another_service_do_not_count():
    assert cause_of(("nginx", "request cluster ID mismatch")) is None
