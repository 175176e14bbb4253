"""What the installer knows of one node: its config.yaml document and the files that it names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInputs:
    """One node's validated config.yaml, defaults filled in, and a reader for what it refers to.

    On a node `read` opens the path; on the controller it returns what was issued for that node.
    """

    name: str  # the node's host name
    config: Document
    read: Callable[[str], bytes]
