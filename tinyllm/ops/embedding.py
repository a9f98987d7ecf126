"""Embedding: each id picks its row of a table.

Forward:

    y[n, e] = w[id[n], e]

Backward: row v of the table went into every position whose id is v, so it receives the sum,

    dw[v, e] = sum over n with id[n] = v of dy[n, e]              0 for an id that does not occur

The sums run over n in order, each thread over its own columns: the same bits for any number of threads.

Shapes: ids (...) integers in 0..V-1, w (V, E), y (..., E); N ids in all.
"""
import numpy as np
from numba import prange

from tinyllm.autograd import Tensor, on_formulas
from tinyllm.kernels.jit import jit
from tinyllm.kernels.recurrence import add_row
from tinyllm.shapes import check_shapes

COLUMNS = 64  # columns that a task adds up: a few cache lines of every row


def embedding_formula(ids, weight):
    """The rows of the table at the ids; the gradient of indexing adds up repeated ids."""
    return weight[ids]


def embedding_forward(ids, w):
    """ids (N,), w (V, E)  ->  y (N, E)."""
    return np.take(w, ids, axis=0)


@jit(parallel=True)
def add_rows(dy, ids, dw):
    """dw[id] += dy[n] for each id >= 0 in ids[n] (K,), blocks of columns over threads."""
    E = dy.shape[1]
    for block in prange((E + COLUMNS - 1) // COLUMNS):
        first, last = block * COLUMNS, min(E, (block + 1) * COLUMNS)
        for n in range(ids.shape[0]):
            source = dy[n][first:last]
            for k in range(ids.shape[1]):
                if ids[n, k] >= 0:
                    add_row(source, dw[ids[n, k]][first:last])


def embedding_backward(dy, ids, V):
    """dy (N, E), ids (N,)  ->  dw (V, E)."""
    dw = np.zeros((V, dy.shape[1]), dy.dtype)
    add_rows(dy, ids.reshape(len(ids), 1), dw)
    return dw


def embedding(ids, weight):
    """The rows of weight at the ids: a Tensor (..., E).

    ids     integers of any shape, each in 0..V-1
    weight  Tensor (V, E)

    Raises ValueError for ids that are not integers or outside 0..V-1 and for a weight of another shape.
    """
    ids = np.asarray(ids)
    V, E = check_shapes("embedding", weight=(weight.data, "VE")).values()
    if ids.dtype.kind not in "iu":
        raise ValueError(f"embedding: ids must be integers, got {ids.dtype}")
    if ids.size and not (0 <= ids.min() and ids.max() < V):  # compiled code does not check bounds
        wrong = ids[(ids < 0) | (ids >= V)]
        raise ValueError(f"embedding: ids must be in 0..{V - 1}, got {wrong[0]}")
    if on_formulas():
        return embedding_formula(ids, weight)
    flat = np.array(ids, np.int64, order="C").reshape(-1)  # a copy: ids may change before the backward
    y = embedding_forward(flat, weight.data)

    def backward(dy):
        return (embedding_backward(np.ascontiguousarray(dy).reshape(y.shape), flat, V),)

    return Tensor.from_op(y.reshape(*ids.shape, E), (weight,), backward)
