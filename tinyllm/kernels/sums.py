"""Sums over the rows of a matrix, the gradients of biases and gains; and of two large arrays, over threads.

    out[j] = sum_i x[i, j]
    out    = x + y                    what the engine adds gradients with, once this file is loaded

A sum in float32 depends on its order, so the order is fixed: chunks of CHUNK rows, each summed by one thread, then
the sums of the chunks in order.  The results have the same bits for any number of threads.
"""
import numpy as np
from numba import prange

from tinyllm import autograd
from tinyllm.kernels import scratch
from tinyllm.kernels.jit import compiling, jit

CHUNK = 128  # rows: a few chunks even in a small batch, so that all threads have work
PIECE = 1 << 14  # numbers that a thread adds at a time
LARGE = 4 * PIECE  # for fewer numbers NumPy is faster than a fork


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


@jit
def _add_piece(x, y, out):
    for i in range(out.shape[0]):
        out[i] = x[i] + y[i]


@jit(parallel=True)
def _add_pieces(x, y, out):
    """out = x + y, all flat."""
    for piece in prange((x.shape[0] + PIECE - 1) // PIECE):
        part = slice(piece * PIECE, min(x.shape[0], (piece + 1) * PIECE))
        _add_piece(x[part], y[part], out[part])


def add(x, y):
    """x + y, as NumPy has it."""
    plain = x.shape == y.shape and x.dtype == y.dtype and x.flags.c_contiguous and y.flags.c_contiguous
    if not plain or x.dtype.kind != "f" or x.size < LARGE or not compiling():
        return np.add(x, y)
    out = np.empty_like(x)
    _add_pieces(x.reshape(-1), y.reshape(-1), out.reshape(-1))
    return out


autograd.add = add
