"""`python -m manager`: what the installer and systemd ask of the runtime."""

import sys

if sys.argv[1:] == ["worker"]:
    # The worker lives long, and the other commands' libraries cost 17 MiB.
    from manager.worker.service import main
else:
    from manager.commands import main

sys.exit(main())
