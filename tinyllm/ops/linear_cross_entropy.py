"""The output layer and its cross-entropy in one op: linear_cross_entropy(x, W, b, t).

Forward, q and n as in cross_entropy.py:

    z[i] = W x[i] + b         p[i] = softmax(z[i])         L = -1/n * sum_i sum_v q[i, v] log p[i, v]

Backward: dL/dz = (p - q) / n by cross_entropy.py, 0 in ignored rows, and z is linear in x, W and b, hence

    dx = dz W            dW = dz^T x            db = sum_i dz[i]

The gradient is computed forward.  With a vocabulary of thousands, z (N, V) is larger than everything else in
the model, so it exists one block of rows at a time: ROOM bytes, in memory that the next block overwrites.
A backward of its own would have to multiply x W^T a second time to have z again, a third more work.  But L is
one number, so dL/dx = dloss * (dL/dx for dloss = 1): while a block of z is there, its share of dx, dW, db for
dloss = 1 is taken, and backward only scales (by 1, as a rule: then not even that).  Without a recorded graph,
or for arguments that need no gradient, nothing of this is computed.

Rows that are ignored are left out before the products.  The size of a block follows from V alone, never from
the number of threads.

Shapes: x (N, H) float, weight W (V, H), bias b (V,) or None, targets t (N,) integer.
"""
import numpy as np
from numba import prange

from tinyllm.autograd import Tensor, on_formulas, recorded
from tinyllm.kernels import scratch
from tinyllm.kernels.gemm import product, product_packed
from tinyllm.kernels.jit import jit
from tinyllm.kernels.packing import BLOCK, packed
from tinyllm.kernels.sums import column_sums
from tinyllm.ops.cross_entropy import IGNORE, check_targets, cross_entropy_formula, distance_below, row_loss
from tinyllm.ops.linear import linear_formula
from tinyllm.ops.softmax import exponentiate, largest
from tinyllm.shapes import check_floats, check_shapes

ROOM = 1 << 24  # bytes of logits at a time: packing and dW are paid once a block, so blocks must not be small
FEWEST_ROWS = 64  # even where V is so large that they need more than ROOM


def linear_cross_entropy_formula(x, weight, bias, targets, label_smoothing=0.0):
    """The two formulas one after the other, as the docstring writes them."""
    return cross_entropy_formula(linear_formula(x, weight, bias), targets, label_smoothing)


@jit
def _scale(z, factor, spread):
    """z = factor z - spread, in place."""
    for v in range(z.shape[0]):
        z[v] = factor * z[v] - spread


@jit(parallel=True)
def _rows(z, t, smoothing, n, wanted, losses):
    """z (R, V) = x W^T + b  ->  losses (R,) and, where wanted, z becomes dz for dloss = 1: (p - q) / n."""
    dtype, V = z.dtype.type, z.shape[1]
    for i in prange(z.shape[0]):
        row = z[i]
        m, target = largest(row), row[t[i]]
        below = distance_below(row, m) if smoothing > 0 else m
        Z = exponentiate(row, dtype(1), m)
        losses[i] = row_loss(target, m, Z, below, V, smoothing)
        if wanted:
            _scale(row, dtype(1 / (n * Z)), dtype(smoothing / V / n))
            row[t[i]] -= dtype((1 - smoothing) / n)


def rows_per_block(V, itemsize):
    """How many rows of logits fill ROOM: a multiple of the product's blocks of k, for dW, or of 8."""
    rows = ROOM // max(1, V * itemsize)
    return max(FEWEST_ROWS, rows // BLOCK * BLOCK if rows >= BLOCK else rows // 8 * 8)


def linear_cross_entropy_forward(x, weight, bias, t, smoothing, wanted):
    """x (N, H), weight (V, H), bias (V,) or None, t (N,)  ->  loss, dx, dweight, dbias for dloss = 1.

    wanted  three truth values, which of dx, dweight, dbias are computed; the others are None
    """
    N, V, dtype = len(x), len(weight), x.dtype
    kept = np.flatnonzero(t != IGNORE)
    n = len(kept)
    if n < N:
        x, t = x[kept], t[kept]
    losses = np.empty(n)
    room = np.empty if n else np.zeros  # without a block nothing is written
    dx, dweight, dbias = (room(a.shape, dtype) if w else None for a, w in zip((x, weight, bias), wanted))
    R = max(1, min(rows_per_block(V, x.itemsize), n))
    z_room = scratch.take("logits", R * V, dtype).reshape(R, V)
    weight_t_panels = packed(weight.T, "weight_t")
    weight_panels = packed(weight, "weight") if wanted[0] else None
    for start in range(0, n, R):
        rows = slice(start, min(start + R, n))
        z = product_packed(x[rows], weight_t_panels, z_room[:rows.stop - start], plus=bias)
        _rows(z, t[rows], smoothing, n, any(wanted), losses[rows])
        if wanted[0]:
            product_packed(z, weight_panels, dx[rows])
        if wanted[1]:
            product(z.T, x[rows], dweight, plus=dweight if start else None)
        if wanted[2]:
            dbias[...] = dbias + column_sums(z) if start else column_sums(z)
    if wanted[0] and n < N:
        dx_kept, dx = dx, np.zeros((N, x.shape[1]), dtype)
        dx[kept] = dx_kept
    return losses.sum() / max(n, 1), dx, dweight, dbias


def linear_cross_entropy_backward(dloss, dx, dweight, dbias):
    """dL/dloss (a scalar), the gradients for dloss = 1 (or None)  ->  dx, dweight, dbias, in their memory."""
    if dloss != 1:
        for d in (dx, dweight, dbias):
            if d is not None:
                d *= d.dtype.type(dloss)
    return dx, dweight, dbias


def linear_cross_entropy(x, weight, bias, targets, label_smoothing=0.0):
    """cross_entropy(linear(x, weight, bias), targets, label_smoothing), without the (N, V) logits in memory.

    x                Tensor (N, H)
    weight           Tensor (V, H)
    bias             Tensor (V,) or None
    targets          integers (N,), each in 0..V-1 or IGNORE; all IGNORE gives loss 0
    label_smoothing  share of the target's probability that goes to all V alike, 0..1

    Raises ValueError for a wrong shape or dtype, for targets that are not integers, for a target
    outside 0..V-1 and for a label_smoothing outside 0..1.
    """
    op, targets = "linear_cross_entropy", np.asarray(targets)
    arrays = {"x": x.data, "weight": weight.data} | ({} if bias is None else {"bias": bias.data})
    axes = {"x": "NH", "weight": "VH", "bias": "V"}
    sizes = check_shapes(op, **{name: (a, axes[name]) for name, a in arrays.items()}, targets=(targets, "N"))
    check_floats(op, **arrays)
    t = check_targets(op, targets, sizes["V"], label_smoothing)
    if on_formulas():
        return linear_cross_entropy_formula(x, weight, bias, t, label_smoothing)
    parents = (x, weight) if bias is None else (x, weight, bias)
    wanted = [recorded(p) for p in parents] + [False] * (bias is None)
    b = None if bias is None else np.ascontiguousarray(bias.data)
    arguments = np.ascontiguousarray(x.data), weight.data, b, t, float(label_smoothing), wanted
    loss, *gradients = linear_cross_entropy_forward(*arguments)
    kept = [gradients] if any(wanted) else []

    def backward(dloss):  # gives its arrays away; a second walk of the same graph computes them again
        gradients = kept.pop() if kept else linear_cross_entropy_forward(*arguments)[1:]
        return linear_cross_entropy_backward(dloss.item(), *gradients)[:len(parents)]

    return Tensor.from_op(np.asarray(loss, x.dtype), parents, backward)
