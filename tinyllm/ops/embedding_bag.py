"""Embedding bag: each token has several ids, and the rows of the table at these are added up.

Forward:

    y[n, e] = sum over k with id[n, k] != -1 of w[id[n, k], e]          0 for a token without ids

Backward: row v of the table went into y[n] once for each k with id[n, k] = v, hence

    dw[v, e] = sum over n, k with id[n, k] = v of dy[n, e]

The forward gives each token to one thread; the backward is sums_by_id, which adds in the order of n and k, each
thread over its own columns: the same bits for any number of threads.

Shapes: ids (..., K) integers in 0..F-1 or -1, w (F, E), y (..., E); N tokens in all, F features.
"""
import math

import numpy as np
from numba import prange

from tinyllm.autograd import Tensor, on_formulas
from tinyllm.kernels.jit import jit
from tinyllm.kernels.sums import add_row, sums_by_id
from tinyllm.ops.arrangement import where
from tinyllm.ops.embedding import embedding_formula
from tinyllm.shapes import check_floats, check_shapes

PAD_FEATURE = -1  # an id that stands for nothing: bags of several sizes lie in one array


def embedding_bag_formula(ids, weight):
    """The rows at the ids, 0 for PAD_FEATURE, summed over each token's ids."""
    real = ids != PAD_FEATURE
    return where(real[..., None], embedding_formula(np.where(real, ids, 0), weight), 0.0).sum(axis=-2)


@jit(parallel=True)
def _sum_rows(ids, w, y):
    """y (N, E) of ids (N, K) and w (F, E)."""
    for n in prange(ids.shape[0]):
        total = y[n]
        total[:] = 0
        for k in range(ids.shape[1]):
            if ids[n, k] != PAD_FEATURE:
                add_row(w[ids[n, k]], total)


def embedding_bag_forward(ids, w):
    """ids (N, K), w (F, E)  ->  y (N, E)."""
    y = np.empty((len(ids), w.shape[1]), w.dtype)
    _sum_rows(ids, w, y)
    return y


def embedding_bag_backward(dy, ids, F):
    """dy (N, E), ids (N, K)  ->  dw (F, E)."""
    return sums_by_id(dy, ids, F)


def embedding_bag(ids, weight):
    """The sum of the rows of weight at each token's ids: a Tensor (..., E).

    ids     integers (..., K), each in 0..F-1 or PAD_FEATURE, which adds nothing
    weight  Tensor (F, E)

    Raises ValueError for ids that are not integers (..., K) or outside 0..F-1, and for a weight of another
    shape or without floats.
    """
    ids = np.asarray(ids)
    F, E = check_shapes("embedding_bag", weight=(weight.data, "FE")).values()
    check_floats("embedding_bag", weight=weight.data)
    if ids.ndim < 1:
        raise ValueError("embedding_bag: ids must be (..., K), got shape ()")
    if ids.dtype.kind not in "iu":
        raise ValueError(f"embedding_bag: ids must be integers, got {ids.dtype}")
    wrong = ids[(ids < PAD_FEATURE) | (ids >= F)]
    if wrong.size:  # compiled code does not check bounds
        raise ValueError(f"embedding_bag: ids must be in 0..{F - 1} or {PAD_FEATURE}, got {wrong[0]}")
    ids = np.array(ids, np.int64, order="C")  # a copy: ids may change before the backward
    if on_formulas():
        return embedding_bag_formula(ids, weight)
    flat = ids.reshape(math.prod(ids.shape[:-1]), ids.shape[-1])
    y = embedding_bag_forward(flat, np.ascontiguousarray(weight.data))

    def backward(dy):
        return (embedding_bag_backward(np.ascontiguousarray(dy).reshape(y.shape), flat, F),)

    return Tensor.from_op(y.reshape(*ids.shape[:-1], E), (weight,), backward)
