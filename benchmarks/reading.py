"""A kernel that does little but read: how fast that is limits what generation can reach."""
import numpy as np
from numba import prange

from tinyllm.kernels.jit import jit

STREAMS = 4  # places of a row that are read at once: one alone leaves a tenth of the memory's bandwidth


@jit(parallel=True)
def totals(array):
    """The sum of each row (R, N), a row a thread: (R,).  N a multiple of STREAMS"""
    N = array.shape[1] // STREAMS
    found = np.empty(len(array), array.dtype)
    for r in prange(len(array)):
        a, b, c, d = array[r, :N], array[r, N:2 * N], array[r, 2 * N:3 * N], array[r, 3 * N:]
        total = array.dtype.type(0)
        for i in range(N):
            total += a[i] + b[i] + c[i] + d[i]
        found[r] = total
    return found
