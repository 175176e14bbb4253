"""How a process that runs for months asks the C library for memory, and gives it back."""

import ctypes

# The numbers of malloc.h. Source: mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGE_BYTES = 1024 * 1024
_ARENAS = 2


def return_freed_memory() -> None:
    """Let large blocks go back to the system when they are freed, whichever thread had them.

    By itself glibc takes the first large block that is freed (the 19 MiB of a password's hash) as a
    sign that such blocks are wanted again: it keeps the next ones in the heap of each thread.
    To be called before threads start; what is forked afterwards inherits it.
    """
    mallopt = ctypes.CDLL(None).mallopt
    for name, value in (
        (_MMAP_THRESHOLD, _LARGE_BYTES),
        (_TRIM_THRESHOLD, _LARGE_BYTES),
        (_ARENA_MAX, _ARENAS),
    ):
        if not mallopt(name, value):
            raise OSError(f"mallopt({name}, {value}) was refused")
