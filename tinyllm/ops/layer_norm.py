"""Layer norm over the last axis (Ba et al. 2016): each row gets mean 0 and variance 1, is scaled and shifted.

Forward:

    u = mean x       r = 1 / sqrt(var x + eps)      over the H numbers; var without Bessel's correction
    n = (x - u) r
    y = n gain + bias

Backward, with dn = dy gain; x reaches n directly, through u and through r:

    dx    = r (dn - mean dn - n mean(dn n))               means over the row
    dgain = sum dy n        dbias = sum dy                over all rows

The kernel keeps u and r, two numbers a row, and computes n again.  Sums over rows run over chunks of fixed
size, then over the chunks in order: the same bits for any number of threads.

Shapes: x, y (..., H), gain and bias (H,), u and r (N,); N rows in all.
"""
import math

import numpy as np
from numba import prange

from tinyllm.autograd import Tensor, on_formulas
from tinyllm.kernels import scratch
from tinyllm.kernels.jit import jit
from tinyllm.shapes import check_floats, check_shapes

CHUNK = 64  # rows that a task takes


def layer_norm_formula(x, gain, bias=None, eps=1e-5):
    """(x - mean) / sqrt(var + eps) gain + bias; its gradient comes from the engine."""
    d = x - x.mean(axis=-1, keepdims=True)
    y = d / ((d * d).mean(axis=-1, keepdims=True) + eps).sqrt() * gain
    return y if bias is None else y + bias


@jit
def normalize_row(x, gain, bias, eps, y):
    """y (H,) of one row x (H,)  ->  u, r."""
    dtype = x.dtype.type
    H, one = dtype(x.shape[0]), dtype(1)
    total, squares = dtype(0), dtype(0)
    for j in range(x.shape[0]):
        total += x[j]
    u = total / H
    for j in range(x.shape[0]):
        squares += (x[j] - u) * (x[j] - u)
    r = one / np.sqrt(squares / H + dtype(eps))
    for j in range(x.shape[0]):
        y[j] = (x[j] - u) * r * gain[j] + bias[j]
    return u, r


@jit
def normalize_row_backward(dy, x, gain, u, r, dx, dgain, dbias):
    """dx (H,) of one row; what the row adds to dgain and dbias is added."""
    dtype = x.dtype.type
    H, mean_dn, mean_dnn = dtype(x.shape[0]), dtype(0), dtype(0)
    for j in range(x.shape[0]):
        n = (x[j] - u) * r
        dgain[j] += dy[j] * n
        dbias[j] += dy[j]
        mean_dn += dy[j] * gain[j]
        mean_dnn += dy[j] * gain[j] * n
    mean_dn, mean_dnn = mean_dn / H, mean_dnn / H
    for j in range(x.shape[0]):
        dx[j] = r * (dy[j] * gain[j] - mean_dn - (x[j] - u) * r * mean_dnn)


@jit(parallel=True)
def _forward_rows(x, gain, bias, eps, y, u, r):
    """y (N, H), u (N,), r (N,) of x (N, H)."""
    N = x.shape[0]
    for chunk in prange((N + CHUNK - 1) // CHUNK):
        for i in range(chunk * CHUNK, min(N, (chunk + 1) * CHUNK)):
            u[i], r[i] = normalize_row(x[i], gain, bias, eps, y[i])


@jit(parallel=True)
def _backward_rows(dy, x, gain, u, r, dx, partial):
    """dx (N, H), and in partial (chunks, 2, H) the sums of each chunk for dgain and dbias."""
    N = x.shape[0]
    for chunk in prange(partial.shape[0]):
        dgain, dbias = partial[chunk, 0], partial[chunk, 1]
        dgain[:] = 0
        dbias[:] = 0
        for i in range(chunk * CHUNK, min(N, (chunk + 1) * CHUNK)):
            normalize_row_backward(dy[i], x[i], gain, u[i], r[i], dx[i], dgain, dbias)


def layer_norm_forward(x, gain, bias, eps):
    """x (N, H), gain and bias (H,)  ->  y (N, H), u (N,), r (N,)."""
    y, u, r = np.empty_like(x), np.empty(len(x), x.dtype), np.empty(len(x), x.dtype)
    _forward_rows(x, gain, bias, eps, y, u, r)
    return y, u, r


def layer_norm_backward(dy, x, gain, u, r):
    """dy and x (N, H), gain (H,), u and r (N,)  ->  dx (N, H), dgain (H,), dbias (H,)."""
    H, chunks = x.shape[1], (len(x) + CHUNK - 1) // CHUNK
    dx, partial = np.empty_like(x), scratch.take("layer_norm", chunks * 2 * H, x.dtype).reshape(chunks, 2, H)
    _backward_rows(dy, x, gain, u, r, dx, partial)
    dgain, dbias = np.add.reduce(partial, axis=0)
    return dx, dgain, dbias


def layer_norm(x, gain, bias=None, eps=1e-5):
    """Every row of x normalized, times gain, plus bias: a Tensor of x's shape.

    x           Tensor (..., H)
    gain, bias  Tensors (H,); bias may be None for no bias
    eps         added to the variance, > 0: a constant row gives bias and no division by 0

    Raises ValueError for shapes that do not fit, dtypes that differ and an eps that is not positive.
    """
    if x.ndim < 1 or x.shape[-1] < 1:
        raise ValueError(f"layer_norm: x must be (..., H) with H > 0, got shape {x.shape}")
    rows = x.data.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    parents = (x, gain) if bias is None else (x, gain, bias)
    arrays = dict(zip(("x", "gain", "bias"), (rows, *(p.data for p in parents[1:]))))
    check_shapes("layer_norm", **{name: (a, "NH" if name == "x" else "H") for name, a in arrays.items()})
    check_floats("layer_norm", **arrays)
    if not eps > 0:
        raise ValueError(f"layer_norm: eps must be > 0, got {eps}")
    if on_formulas():
        return layer_norm_formula(x, gain, bias, eps)
    rows, g = np.ascontiguousarray(rows), np.ascontiguousarray(gain.data)
    b = np.zeros_like(g) if bias is None else np.ascontiguousarray(bias.data)
    y, u, r = layer_norm_forward(rows, g, b, float(eps))

    def backward(dy):
        dx, dgain, dbias = layer_norm_backward(np.ascontiguousarray(dy).reshape(rows.shape), rows, g, u, r)
        return (dx.reshape(x.shape), dgain, dbias)[:len(parents)]

    return Tensor.from_op(y.reshape(x.shape), parents, backward)
