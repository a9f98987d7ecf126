"""The one pool for what a step needs again and no user can hold: packed panels, tiles of scores.

Fresh memory of this size costs a page fault every 4 KB at every step; memory from here was touched before.
An array from the pool is valid until the same name is asked for again in the same thread.
"""
import threading

import numpy as np

ALIGNMENT = 64  # one cache line, so that no vector load crosses two
_pools = threading.local()


def take(name, size, dtype):
    """A flat array of this size and dtype with any content, aligned to a cache line."""
    pool = _pools.__dict__.setdefault("arrays", {})
    key = (name, np.dtype(dtype).char)
    array = pool.get(key)
    if array is None or array.size < size:
        array = pool[key] = aligned(size, dtype)
    return array[:size]


def aligned(size, dtype):
    """A flat array of this size and dtype with any content, from a cache line on, that is the caller's."""
    count = size * np.dtype(dtype).itemsize
    raw = np.empty(count + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start:start + count].view(dtype)


def held():
    """Bytes that the pool of this thread holds."""
    return sum(array.nbytes for array in _pools.__dict__.get("arrays", {}).values())


def release():
    """Give all of it back."""
    _pools.__dict__.pop("arrays", None)
