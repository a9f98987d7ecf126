"""Softmax over the last axis: real numbers to weights that are positive and add up to 1.

Forward, over the v that the mask lets see (all, without a mask):

    y[v] = exp(x[v] - m) / sum_w exp(x[w] - m)            m = max x, so that no exp overflows

Where the mask is False, x counts as -inf and y is 0.

Backward: dy[w]/dx[v] = y[w] ([v = w] - y[v]), hence

    dx[v] = y[v] (dy[v] - sum_w dy[w] y[w])               0 where y is 0: the mask needs no case of its own

Every row is one thread's: the same bits for any number of threads, alone or among others.

Shapes: x, y (..., V), the mask boolean and broadcastable to x, True = may be seen; N rows in all.
"""
import numpy as np
from numba import prange

from tinyllm.autograd import Tensor, on_formulas
from tinyllm.kernels.elementary import exp
from tinyllm.kernels.jit import jit
from tinyllm.kernels.recurrence import NO_MASK
from tinyllm.ops.arrangement import where
from tinyllm.shapes import check_floats


def softmax_formula(x, mask=None):
    """exp(x) / sum exp(x), as the docstring writes it; its gradient comes from the engine."""
    if mask is not None:
        x = where(mask, x, -np.inf)
    x = x - x.data.max(axis=-1, keepdims=True)
    e = x.exp()
    return e / e.sum(axis=-1, keepdims=True)


@jit
def largest(x):
    """The maximum of x (V,); -inf where all of it is nan (the exp that follows keeps the nan).

    Eight maxima side by side, which become one vector: one alone waits for each comparison before the next.
    """
    V, low = x.shape[0], x.dtype.type(-np.inf)
    m0, m1, m2, m3, m4, m5, m6, m7 = low, low, low, low, low, low, low, low
    whole = V // 8 * 8
    for v in range(0, whole, 8):
        m0 = x[v] if x[v] > m0 else m0
        m1 = x[v + 1] if x[v + 1] > m1 else m1
        m2 = x[v + 2] if x[v + 2] > m2 else m2
        m3 = x[v + 3] if x[v + 3] > m3 else m3
        m4 = x[v + 4] if x[v + 4] > m4 else m4
        m5 = x[v + 5] if x[v + 5] > m5 else m5
        m6 = x[v + 6] if x[v + 6] > m6 else m6
        m7 = x[v + 7] if x[v + 7] > m7 else m7
    for v in range(whole, V):
        m0 = x[v] if x[v] > m0 else m0
    m0, m1, m2, m3 = max(m0, m4), max(m1, m5), max(m2, m6), max(m3, m7)
    return max(max(m0, m2), max(m1, m3))


@jit
def exponentiate(x, factor, m):
    """x (V,) becomes exp(factor (x - m)) in place, factor > 0  ->  its sum."""
    total = x.dtype.type(0)
    for v in range(x.shape[0]):
        e = exp(factor * (x[v] - m))
        x[v] = e
        total += e
    return total


@jit
def exponentials(x, factor):
    """x (V,) becomes exp(factor (x - m)) in place  ->  m = max x and the sum of x."""
    m = largest(x)
    return m, exponentiate(x, factor, m)


@jit
def exponentials_again(x, factor, m, scale):
    """x (V,) becomes scale exp(factor (x - m)) in place."""
    for v in range(x.shape[0]):
        x[v] = scale * exp(factor * (x[v] - m))


@jit
def fill(x, value):
    """x (V,) becomes this value."""
    for v in range(x.shape[0]):
        x[v] = value


@jit
def hide(x, allowed):
    """x (V,) becomes -inf where allowed (V,) is False."""
    low = x.dtype.type(-np.inf)
    for v in range(x.shape[0]):
        x[v] = x[v] if allowed[v] else low


@jit
def multiply_by(x, factor):
    """x (V,) becomes factor x."""
    for v in range(x.shape[0]):
        x[v] *= factor


@jit
def dot(x, y):
    """sum_v x[v] y[v]."""
    total = x.dtype.type(0)
    for v in range(x.shape[0]):
        total += x[v] * y[v]
    return total


@jit
def scores_gradient(dy, y, mean, factor):
    """dy (V,) becomes factor y (dy - mean): dx, for mean = sum dy y."""
    for v in range(dy.shape[0]):
        dy[v] = factor * y[v] * (dy[v] - mean)


@jit(parallel=True)
def _forward_rows(y, mask):
    """Each row of y (N, V) becomes its softmax; mask (N, V), or (0, 0) for none."""
    one = y.dtype.type(1)
    for i in prange(y.shape[0]):
        row = y[i]
        if mask.size:
            hide(row, mask[i])
        m, total = exponentials(row, one)
        multiply_by(row, one / total)


@jit(parallel=True)
def _backward_rows(dx, y):
    """Each row of dx (N, V), dy before, becomes y (dy - sum dy y)."""
    one = y.dtype.type(1)
    for i in prange(y.shape[0]):
        scores_gradient(dx[i], y[i], dot(dx[i], y[i]), one)


def softmax_forward(x, mask):
    """x (N, V), mask (N, V) or (0, 0) for none  ->  y (N, V)."""
    y = x.copy(order="C")
    _forward_rows(y, mask)
    return y


def softmax_backward(dy, y):
    """dy (N, V), y (N, V)  ->  dx (N, V)."""
    dx = dy.copy(order="C")
    _backward_rows(dx, y)
    return dx


def softmax(x, axis=-1, mask=None):
    """The softmax of every row of x: a Tensor of x's shape, >= 0, each row adding up to 1.

    x     Tensor (..., V)
    axis  the last one, -1
    mask  boolean, broadcastable to x's shape: where it is False, the weight is 0

    Raises ValueError for another axis, a mask that does not fit and a row in which nothing may be seen.
    """
    if x.ndim < 1 or x.shape[-1] < 1:
        raise ValueError(f"softmax: x must be (..., V) with V > 0, got shape {x.shape}")
    if axis not in (-1, x.ndim - 1):
        raise ValueError(f"softmax: axis must be the last one, -1, got {axis}")
    check_floats("softmax", x=x.data)
    if mask is not None:
        mask = _checked_mask(np.asarray(mask), x.shape)
    if on_formulas():
        return softmax_formula(x, mask)
    rows = x.data.reshape(-1, x.shape[-1])
    y = softmax_forward(rows, NO_MASK if mask is None else np.ascontiguousarray(mask).reshape(rows.shape))

    def backward(dy):
        return (softmax_backward(dy.reshape(y.shape), y).reshape(x.shape),)

    return Tensor.from_op(y.reshape(x.shape), (x,), backward)


def _checked_mask(mask, shape):
    """The mask in x's shape, or a ValueError."""
    if mask.dtype != np.bool_:
        raise ValueError(f"softmax: mask must be boolean, got {mask.dtype}")
    try:
        mask = np.broadcast_to(mask, shape)
    except ValueError:
        raise ValueError(
            f"softmax: mask must broadcast to x of shape {shape}, got shape {mask.shape}") from None
    blind = ~mask.any(axis=-1)
    if blind.any():
        raise ValueError("softmax: mask must let every row see something, got none in row "
                         f"{tuple(int(i) for i in np.argwhere(blind)[0])}")
    return mask
