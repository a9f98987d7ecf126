"""The three functions that bend.

    tanh       y = tanh x                  dx = dy (1 - y^2)
    sigmoid    y = 1 / (1 + e^-x)          dx = dy y (1 - y)
    relu       y = max(x, 0)               dx = dy [x > 0]

The sigmoid is computed as 1/2 + 1/2 tanh(x/2), which is the same number and overflows nowhere.
"""
import numpy as np

from tinyllm.autograd import Tensor
from tinyllm.ops.arithmetic import as_tensor


def tanh(x):
    """The hyperbolic tangent, between -1 and 1."""
    x = as_tensor(x)
    y = np.tanh(x.data)
    return Tensor.from_op(y, (x,), lambda dy: (dy * (1 - y * y),))


def sigmoid(x):
    """1 / (1 + e^-x), between 0 and 1."""
    x = as_tensor(x)
    y = 0.5 * np.tanh(0.5 * x.data) + 0.5
    return Tensor.from_op(y, (x,), lambda dy: (dy * y * (1 - y),))


def relu(x):
    """x where it is positive, else 0."""
    x = as_tensor(x)
    return Tensor.from_op(np.maximum(x.data, 0), (x,), lambda dy: (dy * (x.data > 0),))
