"""Sums over the rows of a matrix, the gradients of biases and gains; and of two large arrays, over threads.

    out[j] = sum_i x[i, j]
    out    = x + y

A sum in float32 depends on its order, so the order is fixed: chunks of CHUNK rows, each summed by one thread, then
the sums of the chunks in order.  The results have the same bits for any number of threads.
"""
import numpy as np
from numba import prange

from tinyllm.kernels import scratch
from tinyllm.kernels.jit import compiling, jit

CHUNK = 128  # rows: a few chunks even in a small batch, so that all threads have work
LARGE = 1 << 16  # numbers: for fewer NumPy is faster than a fork


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
def _add_chunks(x, y, out):
    """out = x + y, all flat, LARGE / 4 numbers at a time."""
    for chunk in prange((x.shape[0] + LARGE // 4 - 1) // (LARGE // 4)):
        part = slice(chunk * (LARGE // 4), (chunk + 1) * (LARGE // 4))
        x_part, y_part, out_part = x[part], y[part], out[part]
        for i in range(out_part.shape[0]):
            out_part[i] = x_part[i] + y_part[i]


def added(x, y):
    """x + y as NumPy has it."""
    plain = x.shape == y.shape and x.dtype == y.dtype and x.flags.c_contiguous and y.flags.c_contiguous
    if not plain or x.dtype.kind != "f" or x.size < LARGE or not compiling():
        return x + y
    out = np.empty_like(x)
    _add_chunks(x.reshape(-1), y.reshape(-1), out.reshape(-1))
    return out
