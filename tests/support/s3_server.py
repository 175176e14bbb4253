"""An S3-compatible store on loopback, over TLS, that demands signed requests: moto on gunicorn.

moto's own server ends TLS in a way that OpenSSL 3 takes for an attack; gunicorn does not.
"""

import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]

from installer.pki.authority import LeafRequest, create_authority, issue_leaf
from tests.support.postgres_server import free_port
from tests.support.processes import Program

REGION = "us-east-1"
_POLICY = (
    '{"Version": "2012-10-17",'
    ' "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
)
_PREPARATIONS = 4  # requests that need no login: user, policy, key, bucket


@dataclass
class S3Server:
    """A store with one bucket and one key that may use it."""

    home: Path
    bucket: str = "backups"
    port: int = field(default_factory=free_port)
    access_key: str = ""
    secret_key: str = ""

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True)
        authority = create_authority("Store CA")
        leaf = issue_leaf(
            authority, LeafRequest(common_name="localhost", dns_names=("localhost",), addresses=())
        )
        self.ca.write_bytes(authority.certificate)
        (self.home / "store.crt").write_bytes(leaf.certificate)
        (self.home / "store.key").write_bytes(leaf.key)
        (self.home / "application.py").write_text(
            "from moto.server import DomainDispatcherApplication, create_backend_app\n"
            "application = DomainDispatcherApplication(create_backend_app)\n"
        )
        self.program = Program(
            "s3",
            [
                *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{self.port}"),
                *("--threads", "4", "--certfile", "store.crt", "--keyfile", "store.key"),
                *("--no-control-socket", "application:application"),
            ],
            self.home / "s3.log",
            {"INITIAL_NO_AUTH_ACTION_COUNT": str(_PREPARATIONS), "PYTHONPATH": str(self.home)},
        )

    @property
    def ca(self) -> Path:
        return self.home / "ca.crt"

    @property
    def endpoint(self) -> str:
        return f"localhost:{self.port}"

    def start(self) -> None:
        """Start it and make the bucket and a key; from then on every request must be signed."""
        self.program.start()
        self.program.wait_until(self._listens)
        iam, s3 = self._client("iam"), self._client("s3")
        iam.create_user(UserName="backup")
        iam.put_user_policy(UserName="backup", PolicyName="all", PolicyDocument=_POLICY)
        key = iam.create_access_key(UserName="backup")["AccessKey"]
        self.access_key, self.secret_key = key["AccessKeyId"], key["SecretAccessKey"]
        s3.create_bucket(Bucket=self.bucket)

    def stop(self) -> None:
        self.program.stop()

    def names(self) -> list[str]:
        """Return the names of all objects."""
        pages = self._client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [one["Key"] for page in pages for one in page.get("Contents", [])]

    def contents(self) -> bytes:
        """Return the content of all objects, one after the other."""
        s3 = self._client("s3")
        return b"".join(
            s3.get_object(Bucket=self.bucket, Key=name)["Body"].read() for name in self.names()
        )

    def _client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=f"https://{self.endpoint}",
            region_name=REGION,
            aws_access_key_id=self.access_key or "nobody",
            aws_secret_access_key=self.secret_key or "nothing",
            verify=str(self.ca),
        )

    def _listens(self) -> bool:

        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
        except OSError:
            time.sleep(0.1)
            return False
        return True
