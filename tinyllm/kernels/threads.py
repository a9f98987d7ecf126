"""The one place that knows about threads: Numba's, which run our kernels, and BLAS's, which NumPy uses.

Kernels split their work into parts whose results do not depend on how many threads take them, so the number
of threads changes the speed and never a bit of the result.
"""
import contextlib

import numba
import threadpoolctl


def count():
    """How many threads a kernel uses now."""
    return numba.get_num_threads()


@contextlib.contextmanager
def limited(threads):
    """Inside, kernels and BLAS use this many threads (1 to the number of cores).

    Raises ValueError for a number that the machine does not have.
    """
    most = numba.config.NUMBA_NUM_THREADS
    if not 1 <= threads <= most:
        raise ValueError(f"threads: must be in 1..{most} on this machine, got {threads}")
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        with threadpoolctl.threadpool_limits(threads):
            yield
    finally:
        numba.set_num_threads(before)
