"""Make of a cluster file the complete config.yaml of each node, and the files it refers to."""

from installer.expand.certificates import CertificateRequest, certificate_requests, serves
from installer.expand.nodes import Certificates, expand, node_files

__all__ = [
    "CertificateRequest",
    "Certificates",
    "certificate_requests",
    "expand",
    "node_files",
    "serves",
]
