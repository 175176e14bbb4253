"""The REST API of a cluster, asked as its administrator."""

import base64
import http.client
import json
import ssl
from dataclasses import dataclass, field
from typing import Any

from installer.cluster_secrets import load_secrets, with_settings
from installer.config.model import Document
from installer.errors import NotHealthy, Problem, Refused
from installer.inventory import Inventory

_PORT = 443
_ANSWER_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The REST API of one manager or load balancer, as the administrator."""

    host: str
    login: str = field(repr=False)
    context: ssl.SSLContext

    def call(self, method: str, path: str, body: bytes | dict[str, Any] | None = None) -> Any:
        """Return the JSON of the answer, None without one; raises NotHealthy for a bad status."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        kind = "application/json" if isinstance(body, dict) else "application/octet-stream"
        headers = {
            "Authorization": f"Basic {self.login}",
            "Tenant": "default_tenant",
            "Content-Type": kind,
        }
        connection = http.client.HTTPSConnection(
            self.host, _PORT, context=self.context, timeout=_ANSWER_S
        )
        try:
            connection.request(method, f"/api/v3.1{path}", data, headers)
            reply = connection.getresponse()
            content = reply.read()
        except (OSError, http.client.HTTPException) as error:
            raise unhealthy(self.host, f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        if reply.status >= http.client.BAD_REQUEST:
            said = content[:300].decode("utf-8", "replace")
            raise unhealthy(self.host, f"{method} {path}: status {reply.status}: {said}")
        return json.loads(content) if content else None


def administrator(inventory: Inventory, host: str) -> Rest:
    """Return the API at an address of the cluster; raises Refused without its secrets."""
    return Rest(
        host=host,
        login=_login(inventory),
        context=ssl.create_default_context(cafile=inventory.certificates_path / "ca.crt"),
    )


def node_administrator(config: Document) -> Rest:
    """Return the API of the manager that a complete config.yaml describes."""
    manager, ssl_inputs = config["manager"], config["ssl_inputs"]
    security = manager["security"]
    word = f"{security['admin_username']}:{security['admin_password']}"
    ca = ssl_inputs["external_ca_cert_path"] or ssl_inputs["ca_cert_path"]
    return Rest(
        host=manager["private_ip"],
        login=base64.b64encode(word.encode()).decode(),
        context=ssl.create_default_context(cafile=ca),
    )


def _login(inventory: Inventory) -> str:
    known = with_settings(load_secrets(inventory.secrets_path), inventory.settings)
    if "admin_password" not in known:
        what = "the secrets of this cluster are missing here"
        remedy = "run it where the cluster was installed from"
        raise Refused(Problem(where=str(inventory.secrets_path), what=what, remedy=remedy))
    word = f"admin:{known['admin_password'].reveal()}"
    return base64.b64encode(word.encode()).decode()


def unhealthy(host: str, what: str) -> NotHealthy:
    """Return what to raise when the API does not do what it should."""
    return NotHealthy(
        Problem(
            where=host, what=what, remedy="see `cfy_manager cluster logs fetch`, then try again"
        )
    )
