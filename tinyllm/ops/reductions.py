"""Sums, means and maxima over one axis, several axes (a tuple) or all (None).

    y = sum x       dx = dy                      for every x that went into y
    y = mean x      dx = dy / n                  n of them
    y = max x       dx = dy [x = y] / count      shared evenly where the maximum is reached several times
"""
import math

import numpy as np

from tinyllm.autograd import Tensor
from tinyllm.ops.arithmetic import as_tensor
from tinyllm.ops.arrangement import check_axis


def _axes(op, x, axis):
    """axis as a tuple of axes that exist."""
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for one in axes:
        check_axis(op, x, one)
    return tuple(one % x.ndim for one in axes)


def _kept(y, x, axes):
    """y with the reduced axes as axes of size 1, so that it broadcasts against x."""
    return y.reshape([1 if i in axes else n for i, n in enumerate(x.shape)])


def sum(x, axis=None, keepdims=False):
    """The sum of x over the axes."""
    x = as_tensor(x)
    axes = _axes("sum", x, axis)

    def backward(dy):
        return (np.broadcast_to(_kept(dy, x, axes), x.shape),)

    return Tensor.from_op(x.data.sum(axis=axes, keepdims=keepdims), (x,), backward)


def mean(x, axis=None, keepdims=False):
    """The mean of x over the axes."""
    x = as_tensor(x)
    axes = _axes("mean", x, axis)
    n = math.prod(x.shape[i] for i in axes)
    if not n:
        raise ValueError(f"mean: x must have numbers along axis {axis}, got shape {x.shape}")

    def backward(dy):
        return (np.broadcast_to(_kept(dy / n, x, axes), x.shape),)

    return Tensor.from_op(x.data.mean(axis=axes, keepdims=keepdims), (x,), backward)


def max(x, axis=None, keepdims=False):
    """The largest x over the axes."""
    x = as_tensor(x)
    axes = _axes("max", x, axis)
    if not math.prod(x.shape[i] for i in axes):
        raise ValueError(f"max: x must have numbers along axis {axis}, got shape {x.shape}")
    y = x.data.max(axis=axes, keepdims=True)

    def backward(dy):
        reached = (x.data == y).astype(dy.dtype)
        return (_kept(dy, x, axes) * reached / reached.sum(axis=axes, keepdims=True),)

    return Tensor.from_op(y if keepdims else y.squeeze(axes), (x,), backward)
