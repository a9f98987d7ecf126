"""The linear layer: every row of x times a matrix, plus a bias.

Forward:

    y[n, o] = sum_i x[n, i] w[o, i] + b[o]                y = x w^T + b

Backward, from dy[n, o]:

    dx[n, i] = sum_o dy[n, o] w[o, i]                     dx = dy w
    dw[o, i] = sum_n dy[n, o] x[n, i]                     dw = dy^T x
    db[o]    = sum_n dy[n, o]                             every row saw the same bias

The product adds the bias when it writes y, so the bias costs no pass of its own.

Shapes: x (..., I), w (O, I) as PyTorch lays it out, b (O,), y (..., O); N is the product of the leading axes.
"""
import math

import numpy as np

from tinyllm.autograd import Tensor, on_formulas
from tinyllm.kernels.gemm import product
from tinyllm.kernels.sums import column_sums
from tinyllm.shapes import check_floats, check_shapes


def linear_formula(x, weight, bias=None):
    """x w^T + b in Tensor arithmetic."""
    y = x.reshape(-1, x.shape[-1]) @ weight.swapaxes(0, 1)
    if bias is not None:
        y = y + bias
    return y.reshape(*x.shape[:-1], weight.shape[0])


def linear_forward(x, w, b):
    """x (N, I), w (O, I), b (O,) or None  ->  y (N, O)."""
    return product(x, w.T, np.empty((len(x), len(w)), x.dtype), plus=b)


def linear_backward(dy, x, w, wants=(True, True, True)):
    """dy (N, O), x (N, I), w (O, I)  ->  dx (N, I), dw (O, I), db (O,); None for one that is not wanted."""
    dx = product(dy, w, np.empty(x.shape, x.dtype)) if wants[0] else None
    dw = product(dy.T, x, np.empty(w.shape, w.dtype)) if wants[1] else None
    db = column_sums(np.ascontiguousarray(dy)) if wants[2] else None
    return dx, dw, db


def linear(x, weight, bias=None):
    """x weight^T + bias: a Tensor (..., O).

    x       Tensor (..., I)
    weight  Tensor (O, I)
    bias    Tensor (O,), or None for no bias

    Raises ValueError for shapes that do not fit and for dtypes that differ.
    """
    if x.ndim < 1:
        raise ValueError(f"linear: x must be (..., I), got shape {x.shape}")
    rows = x.data.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    arrays = {"x": (rows, "NI"), "weight": (weight.data, "OI")}
    if bias is not None:
        arrays["bias"] = (bias.data, "O")
    check_shapes("linear", **arrays)
    check_floats("linear", **{name: array for name, (array, _) in arrays.items()})
    if on_formulas():
        return linear_formula(x, weight, bias)
    parents = (x, weight) if bias is None else (x, weight, bias)
    y = linear_forward(rows, weight.data, None if bias is None else np.ascontiguousarray(bias.data))

    def backward(dy):
        wants = x.requires_grad, weight.requires_grad, bias is not None and bias.requires_grad
        dx, dw, db = linear_backward(dy.reshape(y.shape), rows, weight.data, wants)
        return (None if dx is None else dx.reshape(x.shape), dw, db)[:len(parents)]

    return Tensor.from_op(y.reshape(*x.shape[:-1], len(weight)), parents, backward)
