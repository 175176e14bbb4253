"""Bring what the controller's folder holds to the nodes, fit or not: a renewal would refuse.

Its only argument is the inventory.
"""

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402 - gevent must be first
from pathlib import Path  # noqa: E402

from installer.actions.certificate_part import certificate_part  # noqa: E402
from installer.actions.options import RunOptions  # noqa: E402
from installer.actions.rollout import roll_out, survey  # noqa: E402
from installer.actions.running import open_running  # noqa: E402
from installer.inventory import load_inventory  # noqa: E402

cluster = open_running(load_inventory(Path(sys.argv[1])))
with survey(cluster.jobs(), part=certificate_part) as seen:
    roll_out(seen, RunOptions(), lambda event: None)
