"""Cross-entropy of integer targets under softmax(logits).

Forward, for the rows i whose target is not IGNORE (n of them), with label smoothing s:

    p[i, v] = exp(x[i, v]) / sum_w exp(x[i, w])
    q[i, v] = (1 - s) [v = t[i]] + s / V
    L       = -1/n * sum_i sum_v q[i, v] log p[i, v]                       (nats per target)

computed as log p[i, v] = x[i, v] - m[i] - log Z[i], Z[i] = sum_w exp(x[i, w] - m[i]), with
m[i] = max_w x[i, w], so that no exp overflows.  As sum_v q[i, v] = 1, the row's part of L is

    log Z - (1 - s) (x[t] - m) - s/V sum_v (x[v] - m).

Backward: d(log p[i, w]) / dx[i, v] = [v = w] - p[i, v], hence

    dL/dx[i, v] = 1/n * (p[i, v] - q[i, v]),   and 0 in ignored rows.

The backward computes p again from m and Z, two numbers a row, instead of keeping N x V of them.
Every row is one thread's: the same bits for any number of threads, alone or among others.

Shapes: logits x (N, V) float, targets t (N,) integer; m, Z (N,).
"""
import numpy as np
from numba import prange

from tinyllm.autograd import Tensor, on_formulas
from tinyllm.kernels.elementary import exp
from tinyllm.kernels.jit import jit
from tinyllm.ops.softmax import largest
from tinyllm.shapes import check_floats, check_shapes

IGNORE = -100  # a target that counts neither in the loss nor in its mean


def cross_entropy_formula(logits, targets, label_smoothing=0.0):
    """The formula as the docstring writes it; its gradient comes from the engine."""
    rows = np.flatnonzero(targets != IGNORE)
    x = logits[rows]
    x = x - x.data.max(axis=-1, keepdims=True)
    log_p = x - x.exp().sum(axis=-1, keepdims=True).log()
    total = (1 - label_smoothing) * log_p[np.arange(len(rows)), targets[rows]].sum()
    if label_smoothing:  # 0 times a log p of -inf would be nan
        total = total + label_smoothing / x.shape[-1] * log_p.sum()
    return -total / max(len(rows), 1)


@jit
def distance_below(x, m):
    """sum_v (x[v] - m), which label smoothing needs."""
    total = x.dtype.type(0)
    for v in range(x.shape[0]):
        total += x[v] - m
    return total


@jit
def row_loss(target, m, Z, below, V, smoothing):
    """The row's part of L in float64: target is x[t], below sum_v (x[v] - m); m, Z as in the docstring."""
    loss = np.log(np.float64(Z)) - (1 - smoothing) * (np.float64(target) - np.float64(m))
    if smoothing > 0:
        loss -= smoothing / V * below
    return loss


@jit
def sum_exp(x, m):
    """Z = sum_v exp(x[v] - m)."""
    Z = x.dtype.type(0)
    for v in range(x.shape[0]):
        Z += exp(x[v] - m)
    return Z


@jit(parallel=True)
def _forward_rows(x, t, smoothing, losses, m, Z):
    """losses, m, Z (N,) of x (N, V); an ignored row loses 0."""
    for i in prange(x.shape[0]):
        losses[i] = 0
        if t[i] != IGNORE:
            row = x[i]
            m[i] = largest(row)
            Z[i] = sum_exp(row, m[i])
            below = distance_below(row, m[i]) if smoothing > 0 else m[i]
            losses[i] = row_loss(row[t[i]], m[i], Z[i], below, x.shape[1], smoothing)


def cross_entropy_forward(x, t, smoothing):
    """x (N, V), t (N,)  ->  loss, m (N,), Z (N,), n.  The loss is summed in float64, row after row."""
    N = len(x)
    losses, m, Z = np.empty(N), np.empty(N, x.dtype), np.empty(N, x.dtype)
    _forward_rows(x, t, smoothing, losses, m, Z)
    n = np.count_nonzero(t != IGNORE)
    return losses.sum() / max(n, 1), m, Z, n


@jit
def _backward_row(dx, x, m, factor, spread):
    """dx[v] = factor exp(x[v] - m) - spread."""
    for v in range(x.shape[0]):
        dx[v] = factor * exp(x[v] - m) - spread


@jit(parallel=True)
def _backward_rows(scale, x, t, m, Z, smoothing, dx):
    """dx (N, V) = scale (p - q), 0 where the target is ignored."""
    dtype, V = x.dtype.type, x.shape[1]
    for i in prange(x.shape[0]):
        row = dx[i]
        if t[i] == IGNORE:
            row[:] = 0
        else:
            _backward_row(row, x[i], m[i], dtype(scale / Z[i]), dtype(scale * smoothing / V))
            row[t[i]] -= dtype(scale * (1 - smoothing))


def cross_entropy_backward(dloss, x, t, m, Z, n, smoothing):
    """dL/dloss (a scalar) and what the forward had and gave  ->  dx (N, V) in the dtype of x."""
    dx = np.empty_like(x)
    _backward_rows(dloss / max(n, 1), x, t, m, Z, smoothing, dx)
    return dx


def check_targets(op, targets, V, label_smoothing):
    """targets as int64 for the kernels; ValueError in the name of op for what cross_entropy rules out."""
    if targets.dtype.kind not in "iu":
        raise ValueError(f"{op}: targets must be integers, got {targets.dtype}")
    wrong = targets[((targets < 0) | (targets >= V)) & (targets != IGNORE)]
    if wrong.size:  # compiled code does not check bounds
        raise ValueError(f"{op}: targets must be in 0..{V - 1} or {IGNORE}, got {wrong[0]}")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{op}: label_smoothing must be in 0..1, got {label_smoothing}")
    return np.ascontiguousarray(targets, np.int64)


def cross_entropy(logits, targets, label_smoothing=0.0):
    """Mean negative log-likelihood of targets in nats: a scalar Tensor.

    logits           Tensor (N, V), any real numbers
    targets          integers (N,), each in 0..V-1 or IGNORE; all IGNORE gives loss 0
    label_smoothing  share of the target's probability that goes to all V alike, 0..1

    Raises ValueError for a wrong shape, for targets that are not integers, for a target outside
    0..V-1 and for a label_smoothing outside 0..1.
    """
    targets = np.asarray(targets)
    sizes = check_shapes("cross_entropy", logits=(logits.data, "NV"), targets=(targets, "N"))
    check_floats("cross_entropy", logits=logits.data)
    t = check_targets("cross_entropy", targets, sizes["V"], label_smoothing)
    if on_formulas():
        return cross_entropy_formula(logits, t, label_smoothing)
    x, smoothing = np.ascontiguousarray(logits.data), float(label_smoothing)
    loss, m, Z, n = cross_entropy_forward(x, t, smoothing)

    def backward(dloss):
        return (cross_entropy_backward(dloss.item(), x, t, m, Z, n, smoothing),)

    return Tensor.from_op(np.asarray(loss, x.dtype), (logits,), backward)
