"""The command `cfy_manager`; gevent patches the standard library before all other imports."""

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402

from installer.cli import run  # noqa: E402


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
