"""Sums over the rows of a matrix: the gradients of biases and gains.

    out[j] = sum_i x[i, j]

A sum in float32 depends on its order, so the order is fixed: chunks of CHUNK rows, each summed by one thread, then
the sums of the chunks in order.  The result has the same bits for any number of threads.
"""
import numpy as np
from numba import prange

from tinyllm.kernels import scratch
from tinyllm.kernels.jit import jit

CHUNK = 128  # rows: a few chunks even in a small batch, so that all threads have work


@jit(parallel=True)
def _sum_chunks(x, partial):
    """partial[c] = the sum of the c-th CHUNK rows of x (N, columns)."""
    N, columns = x.shape
    for chunk in prange(partial.shape[0]):
        total = partial[chunk]
        total[:] = 0
        for i in range(chunk * CHUNK, min(N, (chunk + 1) * CHUNK)):
            row = x[i]
            for j in range(columns):
                total[j] += row[j]


def column_sums(x, out=None):
    """The sum of the rows of x (N, columns), C-contiguous: (columns,) in its dtype; into out where one is given."""
    N, columns = x.shape
    chunks = (N + CHUNK - 1) // CHUNK
    partial = scratch.take("column_sums", chunks * columns, x.dtype).reshape(chunks, columns)
    _sum_chunks(x, partial)
    return np.add.reduce(partial, axis=0, out=out)
