"""The product of matrices, over any leading axes, which broadcast.

    y = a b         da = dy b^T         db = a^T dy

Shapes: a (..., M, K), b (..., K, N), y (..., M, N).  A vector a is one row, a vector b one column, and that
axis is missing in y.
"""
import math

import numpy as np

from tinyllm.autograd import Tensor
from tinyllm.ops.arithmetic import as_tensor, unbroadcast


def matmul(a, b):
    """a @ b.

    Raises ValueError where the inner sizes differ or the leading axes do not broadcast.
    """
    a, b = as_tensor(a), as_tensor(b)
    if not a.ndim or not b.ndim:
        raise ValueError(f"matmul: a and b must have an axis, got shapes {a.shape} and {b.shape}")
    if a.dtype != b.dtype:
        raise ValueError(f"matmul: b must be {a.dtype} as a, got {b.dtype}")
    rows = a.data if a.ndim > 1 else a.data[None]
    columns = b.data if b.ndim > 1 else b.data[:, None]
    if rows.shape[-1] != columns.shape[-2]:
        raise ValueError(f"matmul: b must be (..., K, N) with K = {rows.shape[-1]} as in a (..., M, K), "
                         f"got shapes {a.shape} and {b.shape}")
    try:
        np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2])
    except ValueError:
        raise ValueError("matmul: the leading axes of a and b must broadcast, "
                         f"got shapes {a.shape} and {b.shape}") from None

    def backward(dy):
        if b.ndim == 1:
            dy = dy[..., None]
        if a.ndim == 1:
            dy = dy[..., None, :]
        da = db = None
        if a.requires_grad:
            da = unbroadcast(dy @ columns.swapaxes(-1, -2), rows.shape).reshape(a.shape)
        if b.requires_grad and columns.ndim == 2:  # one b for all rows: one product, no sum afterwards
            N = math.prod(rows.shape[:-1])
            db = rows.reshape(N, rows.shape[-1]).T @ dy.reshape(N, columns.shape[1])
        elif b.requires_grad:
            db = unbroadcast(rows.swapaxes(-1, -2) @ dy, columns.shape)
        return da, None if db is None else db.reshape(b.shape)

    return Tensor.from_op(a.data @ b.data, (a, b), backward)
