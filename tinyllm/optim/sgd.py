"""Stochastic gradient descent with momentum, as in PyTorch.

    g = g + weight_decay p
    d = momentum d + g              what is remembered, 0 at first
    p = p - lr d

Without momentum d is g.  The velocity d of physics would have (1 - momentum) g; here lr carries that factor.
"""
import numpy as np
from numba import prange

from tinyllm.kernels.jit import jit
from tinyllm.optim.optimizer import CHUNK, Optimizer


def sgd_formula(p, g, d, t, lr, momentum, weight_decay):
    """The new p and d, as the docstring writes them; t is not needed."""
    g = g + weight_decay * p
    d = momentum * d + g
    return p - lr * d, d


@jit
def _sgd_chunk(p, g, d, lr, momentum, weight_decay):
    for i in range(p.shape[0]):
        d[i] = momentum * d[i] + (g[i] + weight_decay * p[i])
        p[i] -= lr * d[i]


@jit(parallel=True)
def _sgd_chunks(p, g, d, constants):
    lr, momentum, weight_decay = constants[0], constants[1], constants[2]
    for chunk in prange((p.shape[0] + CHUNK - 1) // CHUNK):
        a, b = chunk * CHUNK, min(p.shape[0], (chunk + 1) * CHUNK)
        _sgd_chunk(p[a:b], g[a:b], d[a:b], lr, momentum, weight_decay)


def sgd_kernel(p, g, d, t, lr, momentum, weight_decay):
    """sgd_formula in place: p, g, d (size,)."""
    _sgd_chunks(p, g, d, np.array([lr, momentum, weight_decay], p.dtype))


class SGD(Optimizer):
    """Stochastic gradient descent.

    params        Tensors, or groups (see Optimizer)
    lr            learning rate
    momentum      how much of the last step's direction is kept, 0..1
    weight_decay  times p, added to the gradient
    """

    MEMORY = ("d",)
    formula, kernel = staticmethod(sgd_formula), staticmethod(sgd_kernel)

    def __init__(self, params, lr, momentum=0.0, weight_decay=0.0):
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay)
