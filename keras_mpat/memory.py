"""Memory that a process keeps instead of giving it back after each batch.

keras_mpat.keep_memory()
model.fit(...)
"""

import ctypes

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # numbers of malloc.h
_LARGEST = 2**31 - 1


def keep_memory() -> bool:
    """Lets the process keep what it frees, for the next batch; call it once, first.

    Linux's C library gives large blocks back to the system when they are freed, and a
    training step on a CPU takes the same ones again, page by page, which can cost as
    much as the arithmetic. Results do not change. What the process has held at its peak
    it holds until it ends (blocks above 2 GiB at the top of its memory go back). The
    same as starting Python with MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=2147483647.

    Returns:
        Whether it has an effect: False where the C library is not glibc.
    """
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  others have mallopt without effect
    except (AttributeError, OSError, TypeError):
        return False
    pairs = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST))
    return all([library.mallopt(option, value) == 1 for option, value in pairs])
