"""Device IDs are those that syncthing itself shows."""

import shutil
import subprocess

import pytest

from installer.pki.authority import LeafRequest, create_authority, issue_leaf
from installer.pki.device import device_id

# made and named by syncthing 1.19.2: syncthing generate; syncthing --device-id
CERTIFICATE = b"""\
-----BEGIN CERTIFICATE-----
MIICGzCCAaKgAwIBAgIIb03KHwmmaK4wCgYIKoZIzj0EAwIwSjESMBAGA1UEChMJ
U3luY3RoaW5nMSAwHgYDVQQLExdBdXRvbWF0aWNhbGx5IEdlbmVyYXRlZDESMBAG
A1UEAxMJc3luY3RoaW5nMB4XDTI2MTEyMTAwMDAwMFoXDTQ2MTExNjAwMDAwMFow
SjESMBAGA1UEChMJU3luY3RoaW5nMSAwHgYDVQQLExdBdXRvbWF0aWNhbGx5IEdl
bmVyYXRlZDESMBAGA1UEAxMJc3luY3RoaW5nMHYwEAYHKoZIzj0CAQYFK4EEACID
YgAEEG7pKvZCWPKh2pjxpb8WnvVhyteL4zHz/aIoDzxs2VXhAytx5sBV943j9/4Z
4NQ6hJYyC5J0tFeR8a7uphqKJPWJ0kIq665/Hl6C3WqS16zKkWNGIHDLaOE3G5Fi
dBLgo1UwUzAOBgNVHQ8BAf8EBAMCBaAwHQYDVR0lBBYwFAYIKwYBBQUHAwEGCCsG
AQUFBwMCMAwGA1UdEwEB/wQCMAAwFAYDVR0RBA0wC4IJc3luY3RoaW5nMAoGCCqG
SM49BAMCA2cAMGQCMHFEzyHMulVSJswc3Kvf2vCNQu50AaHYw4dBvA7zJwUZJR8W
yPZ5ETFE7nr1iKIMOgIwLlZu9YepVovXL7X5yWMm9vsbM7zRkMrpAG3dnY9J2hgA
xYl3KAzY18eN1bEFHAB6
-----END CERTIFICATE-----
"""
DEVICE_ID = "5R66IHJ-UET6WBG-7R56G3D-AIFOQDA-ZYC2VMS-INMABAJ-JP6YCDU-YUH4WAS"


def test_the_device_id_is_syncthings():
    assert device_id(CERTIFICATE) == DEVICE_ID


def test_only_the_first_certificate_of_a_chain_counts():
    pair = issue_leaf(create_authority("demo"), LeafRequest(common_name="db-1"))

    assert device_id(CERTIFICATE + pair.certificate) == DEVICE_ID


@pytest.mark.skipif(shutil.which("syncthing") is None, reason="syncthing is not installed")
def test_syncthing_itself_agrees_on_our_certificate(tmp_path):
    pair = issue_leaf(create_authority("demo"), LeafRequest(common_name="manager-1"))
    (tmp_path / "cert.pem").write_bytes(pair.certificate)
    (tmp_path / "key.pem").write_bytes(pair.key)

    shown = subprocess.run(
        ["syncthing", "--device-id", "--home", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()

    assert shown == device_id(pair.certificate)
