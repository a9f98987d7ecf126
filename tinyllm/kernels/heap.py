"""Memory that arrays gave back is kept for the next arrays.

glibc gives the memory of large arrays back to the system when they are freed, so at every step the system hands over
each page anew, zeroed: a seventh of a training step of a small model.  Two settings of malloc make it keep what it has.
Where there is another malloc (macOS, musl), nothing is changed.
"""
import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
LARGEST = 32 << 20  # bytes: glibc takes no larger threshold; larger arrays come from the system as before
KEPT = 1 << 30  # bytes at the end of the heap that are not given back


def keep_freed_memory():
    """Change the two settings; whether that was possible."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(
        mallopt(setting, value) for setting, value in [(M_MMAP_THRESHOLD, LARGEST), (M_TRIM_THRESHOLD, KEPT)])
