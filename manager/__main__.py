"""`python -m manager`: what the installer and systemd ask of the runtime."""

import sys

from manager.commands import main

sys.exit(main())
