"""Sums over the rows of a matrix: the gradients of biases and gains, and of the rows of a table.

    out[j] = sum_i x[i, j]                  out[v, j] = sum over the i with v among ids[i] of x[i, j]

A sum in float32 depends on its order, so the order is fixed.  On the left: chunks of CHUNK rows, each summed by one
thread, then the sums of the chunks in order.  On the right: the rows in order, each thread for its own columns.  The
result has the same bits for any number of threads.
"""
import numpy as np
from numba import prange

from tinyllm.kernels import scratch
from tinyllm.kernels.jit import jit

CHUNK = 128  # rows: a few chunks even in a small batch, so that all threads have work
COLUMNS = 64  # that a thread adds up at a time: a few cache lines of every row


@jit
def add_row(source, target):
    """target (H,) += source (H,)."""
    for j in range(target.shape[0]):
        target[j] += source[j]


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


@jit(parallel=True)
def _add_by_id(x, ids, out):
    for block in prange((x.shape[1] + COLUMNS - 1) // COLUMNS):
        first, last = block * COLUMNS, min(x.shape[1], (block + 1) * COLUMNS)
        for i in range(ids.shape[0]):
            source = x[i][first:last]
            for k in range(ids.shape[1]):
                if ids[i, k] >= 0:
                    add_row(source, out[ids[i, k]][first:last])


def sums_by_id(x, ids, V):
    """x (N, columns), ids (N, K), each below V; below 0: none  ->  (V, columns), 0 where an id does not occur."""
    out = np.zeros((V, x.shape[1]), x.dtype)
    _add_by_id(x, ids, out)
    return out
