"""Sizes and times as a person reads them in a table."""

_STEP = 1024


def bytes_words(count: int) -> str:
    """Return a number of bytes with the unit that suits it."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < _STEP:
            return f"{size:.0f} {unit}"
        size /= _STEP
    return f"{size:.1f} GiB"


def seconds_words(seconds: float) -> str:
    """Return a time with the unit that suits it."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
