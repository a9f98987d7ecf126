"""Arithmetic, element by element, with NumPy's broadcasting.

    y = a + b         da = dy              db = dy
    y = a - b         da = dy              db = -dy
    y = a b           da = dy b            db = dy a
    y = a / b         da = dy / b          db = -dy a / b^2
    y = max(a, b)     da = dy [a > b]      db = dy [b > a]          each half where a = b
    y = -x            dx = -dy
    y = x^n           dx = dy n x^(n-1)                             n a number
    y = exp x         dx = dy y
    y = log x         dx = dy / x
    y = sqrt x        dx = dy / (2 y)

A number that was broadcast went into several y, so it receives the sum of their gradients (unbroadcast).
A Python number takes the dtype of the tensor it meets: float32 stays float32.
"""
import numbers

import numpy as np

from tinyllm.autograd import Tensor


def as_tensor(x):
    """x itself if it is a Tensor, else its numbers as one."""
    return x if isinstance(x, Tensor) else Tensor(x)


def unbroadcast(dy, shape):
    """What an array of this shape, broadcast to dy's, receives: dy summed over the axes of repetition."""
    new = dy.ndim - len(shape)
    axes = (*range(new), *(new + i for i, n in enumerate(shape) if n == 1 and dy.shape[new + i] != 1))
    return dy.sum(axis=axes).reshape(shape) if axes else dy


def pair(op, a, b):
    """Both operands as Tensors of one floating dtype whose shapes broadcast."""
    a, b = _like(a, b), _like(b, a)
    if a.dtype != b.dtype and a.dtype.kind == b.dtype.kind == "f":
        raise ValueError(f"{op}: b must be {a.dtype} as a, got {b.dtype}")
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ValueError(
            f"{op}: b must broadcast with a of shape {a.shape}, got shape {b.shape}") from None
    return a, b


def _like(x, other):
    """x as a Tensor; a number, or integers, in the floating dtype of the tensor that they meet."""
    if isinstance(x, Tensor) and x.dtype.kind == "f":
        return x
    array = x.data if isinstance(x, Tensor) else np.asarray(x)
    takes = array.dtype.kind in "iub" or array.dtype.kind == "f" and not (isinstance(x, Tensor) or array.ndim)
    if takes and isinstance(other, Tensor) and other.dtype.kind == "f":
        return Tensor(array.astype(other.dtype))
    return as_tensor(x)


def add(a, b):
    """a + b."""
    a, b = pair("add", a, b)

    def backward(dy):
        return unbroadcast(dy, a.shape), unbroadcast(dy, b.shape)

    return Tensor.from_op(a.data + b.data, (a, b), backward)


def sub(a, b):
    """a - b."""
    a, b = pair("sub", a, b)

    def backward(dy):
        return unbroadcast(dy, a.shape), unbroadcast(-dy, b.shape) if b.requires_grad else None

    return Tensor.from_op(a.data - b.data, (a, b), backward)


def mul(a, b):
    """a b, element by element."""
    a, b = pair("mul", a, b)

    def backward(dy):
        return (unbroadcast(dy * b.data, a.shape) if a.requires_grad else None,
                unbroadcast(dy * a.data, b.shape) if b.requires_grad else None)

    return Tensor.from_op(a.data * b.data, (a, b), backward)


def div(a, b):
    """a / b."""
    a, b = pair("div", a, b)
    y = a.data / b.data

    def backward(dy):
        return (unbroadcast(dy / b.data, a.shape) if a.requires_grad else None,
                unbroadcast(-dy * y / b.data, b.shape) if b.requires_grad else None)

    return Tensor.from_op(y, (a, b), backward)


def maximum(a, b):
    """The larger of a and b, element by element."""
    a, b = pair("maximum", a, b)

    def backward(dy):
        half = dy * (a.data == b.data) / 2
        return (unbroadcast(dy * (a.data > b.data) + half, a.shape),
                unbroadcast(dy * (b.data > a.data) + half, b.shape))

    return Tensor.from_op(np.maximum(a.data, b.data), (a, b), backward)


def neg(x):
    """-x."""
    x = as_tensor(x)
    return Tensor.from_op(-x.data, (x,), lambda dy: (-dy,))


def power(x, n):
    """x^n for a number n."""
    x = as_tensor(x)
    if not isinstance(n, numbers.Real):
        raise TypeError(f"power: n must be a number, got {type(n).__name__}")
    n = float(n) if x.dtype.kind == "f" else n  # Python's, so that it does not raise the dtype

    def backward(dy):
        return (dy * n * x.data ** (n - 1) if n else np.zeros_like(dy),)  # 0 x^-1 is nan at 0

    return Tensor.from_op(x.data ** n, (x,), backward)


def exp(x):
    """e^x."""
    x = as_tensor(x)
    y = np.exp(x.data)
    return Tensor.from_op(y, (x,), lambda dy: (dy * y,))


def log(x):
    """The natural logarithm of x."""
    x = as_tensor(x)
    return Tensor.from_op(np.log(x.data), (x,), lambda dy: (dy / x.data,))


def sqrt(x):
    """The square root of x."""
    x = as_tensor(x)
    y = np.sqrt(x.data)
    return Tensor.from_op(y, (x,), lambda dy: (dy / (2 * y),))
