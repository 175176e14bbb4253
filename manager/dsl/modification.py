"""Compute which node instances come and go when a deployment is scaled."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from dsl_parser.exceptions import IllegalAllToOneState, UnsupportedAllToOneInGroup
from dsl_parser.tasks import modify_deployment

from manager.dsl.errors import ImpossibleModification

Document = dict[str, Any]


def changed_instances(
    nodes: Sequence[Document],
    instances: Sequence[Document],
    wanted: Mapping[str, Any],
    scaling_groups: Mapping[str, Any],
) -> dict[str, list[Document]]:
    """Return the instances that are added, removed, and related to these.

    `wanted` has the number of instances of each node or scaling group that is to change, and which
    instances are preferred or spared when some are removed.
    """
    before = copy.deepcopy(list(nodes))
    try:
        found: dict[str, list[Document]] = modify_deployment(
            nodes=before,
            previous_nodes=before,
            previous_node_instances=copy.deepcopy(list(instances)),
            modified_nodes=copy.deepcopy(dict(wanted)),
            scaling_groups=copy.deepcopy(dict(scaling_groups)),
        )
    except (IllegalAllToOneState, UnsupportedAllToOneInGroup) as error:
        raise ImpossibleModification(str(error)) from error
    return found
