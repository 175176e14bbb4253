"""Facts of the machine that the runtime runs on."""

import platform
from functools import cache


@cache
def distribution() -> tuple[str, str]:
    """Return the distribution and its release, for instance debian and trixie."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return "linux", "unknown"
    return release.get("ID", "linux"), release.get("VERSION_CODENAME", "unknown")
