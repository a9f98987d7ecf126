"""Memory that arrays gave back is kept for the next arrays.

glibc gives the memory of large arrays back to the system when they are freed, so at every step the system hands over
each page anew, zeroed: a seventh of a training step of a small model, a third with texts of 1024 tokens.  Two settings
of malloc make it keep what it has; memory that was freed below an array still in use stays with the process then.
Where there is another malloc (macOS, musl), nothing is changed.
"""
import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
KEPT = 1 << 30  # bytes at the end of the heap that are not given back
MAPPED = 0  # arrays that may come from the system one by one, and go back when they are freed


def keep_freed_memory():
    """Change the two settings; whether that was possible."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(
        mallopt(setting, value) for setting, value in [(M_MMAP_MAX, MAPPED), (M_TRIM_THRESHOLD, KEPT)])
