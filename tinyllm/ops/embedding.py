"""Embedding: each id picks its row of a table.

Forward:

    y[n, e] = w[id[n], e]

Backward: row v of the table went into every position whose id is v, so it receives the sum,

    dw[v, e] = sum over n with id[n] = v of dy[n, e]              0 for an id that does not occur

Shapes: ids (...) integers in 0..V-1, w (V, E), y (..., E); N ids in all.
"""
import numpy as np

from tinyllm.autograd import Tensor, on_formulas, recorded
from tinyllm.kernels.sums import sums_by_id
from tinyllm.shapes import check_shapes


class Rows(Tensor):
    """What embedding gives: it remembers the table, weight (V, E), and the ids (...).

    An op that asks table_of reads the table instead of data, so data must not be written.
    """

    __slots__ = ("weight", "ids")


def table_of(x):
    """(weight, ids) of Rows with at least two positions for each row of the table, else (x, None).

    What an op does to each position alone, it can then do once for each row of the table.  Not where the gradients are
    not the table's: the rows were taken under no_grad and are used outside, or x itself was said to require one.
    """
    pays = isinstance(x, Rows) and 2 * len(x.weight) <= x.ids.size and x.requires_grad == recorded(x.weight)
    return (x.weight, x.ids) if pays else (x, None)


def embedding_formula(ids, weight):
    """The rows of the table at the ids; the gradient of indexing adds up repeated ids."""
    return weight[ids]


def embedding_forward(ids, w):
    """ids (N,), w (V, E)  ->  y (N, E)."""
    return np.take(w, ids, axis=0)


def embedding_backward(dy, ids, V):
    """dy (N, E), ids (N,)  ->  dw (V, E)."""
    return sums_by_id(dy, ids.reshape(len(ids), 1), V)


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
    ids = np.array(ids, np.int64, order="C")  # a copy: ids may change before the backward
    flat = ids.reshape(-1)
    y = embedding_forward(flat, weight.data)

    def backward(dy):
        return (embedding_backward(np.ascontiguousarray(dy).reshape(y.shape), flat, V),)

    rows = Rows.from_op(y.reshape(*ids.shape, E), (weight,), backward)
    rows.weight, rows.ids = weight, ids
    return rows
