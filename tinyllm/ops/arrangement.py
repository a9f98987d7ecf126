"""Ops that move numbers and compute none: the gradient moves back the same way.

    reshape, transpose, swapaxes, flip     one to one: the inverse arrangement
    concatenate, stack                     each part receives its piece
    where                                  each side receives what was taken from it, 0 elsewhere
    getitem                                x[index]: 0 where nothing was taken, and the sum where an entry was
                                           taken several times (an array of ids may repeat one)
"""
import numpy as np

from tinyllm.autograd import Tensor
from tinyllm.ops.arithmetic import as_tensor, pair, unbroadcast


def _unpacked(numbers):
    """f(x, 2, 3) and f(x, (2, 3)) mean the same."""
    return tuple(numbers[0]) if len(numbers) == 1 and isinstance(numbers[0], (tuple, list)) else numbers


def reshape(x, *shape):
    """The same numbers in row-major order in another shape; one size may be -1."""
    x, shape = as_tensor(x), _unpacked(shape)
    try:
        y = x.data.reshape(shape)
    except ValueError:
        raise ValueError(
            f"reshape: shape must hold the {x.data.size} numbers of {x.shape}, got {shape}") from None
    return Tensor.from_op(y, (x,), lambda dy: (dy.reshape(x.shape),))


def transpose(x, *axes):
    """The axes in another order; without axes, in reverse."""
    x = as_tensor(x)
    axes = _unpacked(axes) or tuple(range(x.ndim))[::-1]
    if sorted(axis + x.ndim if axis < 0 else axis for axis in axes) != list(range(x.ndim)):
        raise ValueError(f"transpose: axes must be 0..{x.ndim - 1} in some order, got {axes}")
    back = np.argsort(np.arange(x.ndim)[list(axes)])
    return Tensor.from_op(x.data.transpose(axes), (x,), lambda dy: (dy.transpose(back),))


def swapaxes(x, a, b):
    """Axis a in the place of axis b, and b in the place of a."""
    x = as_tensor(x)
    for axis in (a, b):
        check_axis("swapaxes", x, axis)
    return Tensor.from_op(x.data.swapaxes(a, b), (x,), lambda dy: (dy.swapaxes(a, b),))


def flip(x, axis):
    """The numbers along one axis in reverse order."""
    x = as_tensor(x)
    check_axis("flip", x, axis)
    return Tensor.from_op(np.flip(x.data, axis), (x,), lambda dy: (np.flip(dy, axis),))


def getitem(x, index):
    """x[index]: numbers, slices, None, ..., masks and arrays of ids, as in NumPy.

    Raises IndexError, as NumPy and every sequence of Python does.
    """
    x = as_tensor(x)
    parts = tuple(_index_part(i) for i in (index if isinstance(index, tuple) else (index,)))
    try:
        y = x.data[parts]
    except IndexError as error:
        raise IndexError(f"getitem: {error}, with x of shape {x.shape}") from None
    may_repeat = any(isinstance(i, np.ndarray) and i.dtype.kind in "iu" for i in parts)

    def backward(dy):
        dx = np.zeros_like(x.data)
        if may_repeat:
            np.add.at(dx, parts, dy)
        else:
            dx[parts] = dy
        return (dx,)

    return Tensor.from_op(y, (x,), backward)


def _index_part(index):
    """A list of ids as an array, the array of an integer Tensor, anything else as it is."""
    if isinstance(index, Tensor):
        return index.data
    return np.asarray(index, None if len(index) else np.intp) if isinstance(index, list) else index


def concatenate(parts, axis=0):
    """The parts one after the other along an axis that exists."""
    parts = _same_kind("concatenate", parts)
    check_axis("concatenate", parts[0], axis)
    axis %= parts[0].ndim
    for number, part in enumerate(parts):
        if part.ndim != parts[0].ndim or any(
                n != m for i, (n, m) in enumerate(zip(part.shape, parts[0].shape)) if i != axis):
            raise ValueError(f"concatenate: part {number} must be of shape {parts[0].shape} "
                             f"except along axis {axis}, got shape {part.shape}")
    ends = np.cumsum([part.shape[axis] for part in parts])[:-1]
    return Tensor.from_op(np.concatenate([part.data for part in parts], axis), parts,
                          lambda dy: np.split(dy, ends, axis))


def stack(parts, axis=0):
    """The parts, all of one shape, along a new axis."""
    parts = _same_kind("stack", parts)
    for number, part in enumerate(parts):
        if part.shape != parts[0].shape:
            raise ValueError(
                f"stack: part {number} must be of shape {parts[0].shape}, got shape {part.shape}")
    if not -parts[0].ndim - 1 <= axis <= parts[0].ndim:
        raise ValueError(f"stack: axis must be in {-parts[0].ndim - 1}..{parts[0].ndim}, got {axis}")
    return Tensor.from_op(np.stack([part.data for part in parts], axis), parts,
                          lambda dy: list(np.moveaxis(dy, axis, 0)))


def _same_kind(op, parts):
    parts = tuple(as_tensor(part) for part in parts)
    if not parts:
        raise ValueError(f"{op}: parts must be at least one tensor, got none")
    for number, part in enumerate(parts):
        if part.dtype != parts[0].dtype:
            raise ValueError(f"{op}: part {number} must be {parts[0].dtype} as part 0, got {part.dtype}")
    return parts


def where(condition, a, b):
    """a where the boolean array is True, else b; all three broadcast."""
    condition = condition.data if isinstance(condition, Tensor) else np.asarray(condition)
    if condition.dtype.kind != "b":
        raise ValueError(f"where: condition must be boolean, got {condition.dtype}")
    a, b = pair("where", a, b)
    try:
        np.broadcast_shapes(condition.shape, a.shape, b.shape)
    except ValueError:
        raise ValueError(f"where: condition must broadcast with a of shape {a.shape} and b of shape "
                         f"{b.shape}, got shape {condition.shape}") from None

    def backward(dy):
        zero = dy.dtype.type(0)
        return (unbroadcast(np.where(condition, dy, zero), a.shape) if a.requires_grad else None,
                unbroadcast(np.where(condition, zero, dy), b.shape) if b.requires_grad else None)

    return Tensor.from_op(np.where(condition, a.data, b.data), (a, b), backward)


def check_axis(op, x, axis):
    """Raise ValueError unless x has this axis."""
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"{op}: axis must be in {-x.ndim}..{x.ndim - 1} for shape {x.shape}, got {axis}")
