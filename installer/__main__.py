"""The command `cfy_manager`; gevent patches the standard library before all other imports."""

import sys

# what needs no pyinfra does not wait for gevent, a third of the time of a quick command
if " ".join(sys.argv[1:3]).partition(" -")[0] not in (
    "-h",
    "brokers list",
    "cluster",
    "cluster forecast",
    "cluster graph",
    "cluster may-stop",
    "cluster status",
    "cluster whatif",
    "dbs list",
    "dbs shell",
) and sys.argv[1:2] not in (["validate"], ["explain"]):
    from gevent import monkey

    monkey.patch_all()

from installer.cli import run


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
