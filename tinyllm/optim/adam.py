"""Adam (Kingma and Ba 2015, algorithm 1) and AdamW (Loshchilov and Hutter 2019); t = 1, 2, ...

    m = b1 m + (1 - b1) g          v = b2 v + (1 - b2) g^2            both 0 at first
    p = p - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

m is a running mean of the gradient, v of its square; 1 - b^t makes up for their start at 0.  The eps stands
outside the root and after the correction of v, as in PyTorch.

Weight decay:  Adam   g = g + weight_decay p        before all this, so v divides the decay as well
               AdamW  p = p - lr weight_decay p     before all this, apart from m and v

The kernel takes sqrt(v) / sqrt(1 - b2^t) and lr / (1 - b1^t) instead: one division a number, not three.
"""
import math

import numpy as np
from numba import prange

from tinyllm.kernels.jit import jit
from tinyllm.optim.optimizer import CHUNK, Optimizer


def adam_formula(p, g, m, v, t, lr, betas, eps, weight_decay):
    """The new p, m and v, as the docstring writes them."""
    b1, b2 = betas
    g = g + weight_decay * p
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g ** 2
    return p - lr * (m / (1 - b1 ** t)) / (np.sqrt(v / (1 - b2 ** t)) + eps), m, v


def adamw_formula(p, g, m, v, t, lr, betas, eps, weight_decay):
    """The new p, m and v, as the docstring writes them."""
    return adam_formula(p - lr * weight_decay * p, g, m, v, t, lr, betas, eps, weight_decay=0)


@jit
def _adam_chunk(p, g, m, v, b1, rest1, b2, rest2, rate, correction, eps, decay, shrink):
    for i in range(p.shape[0]):
        gi = g[i] + decay * p[i]
        m[i] = b1 * m[i] + rest1 * gi
        v[i] = b2 * v[i] + rest2 * gi * gi
        p[i] = shrink * p[i] - rate * m[i] / (correction * np.sqrt(v[i]) + eps)


@jit(parallel=True)
def _adam_chunks(p, g, m, v, c):
    for chunk in prange((p.shape[0] + CHUNK - 1) // CHUNK):
        a, b = chunk * CHUNK, min(p.shape[0], (chunk + 1) * CHUNK)
        _adam_chunk(p[a:b], g[a:b], m[a:b], v[a:b], c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8])


def _step(p, g, m, v, t, lr, betas, eps, decay, shrink):
    """Both kernels: decay p is added to the gradient, and shrink multiplies p."""
    b1, b2 = betas
    _adam_chunks(p, g, m, v, np.array([
        b1, 1 - b1, b2, 1 - b2, lr / (1 - b1 ** t), 1 / math.sqrt(1 - b2 ** t), eps, decay, shrink], p.dtype))


def adam_kernel(p, g, m, v, t, lr, betas, eps, weight_decay):
    """adam_formula in place: p, g, m, v (size,)."""
    _step(p, g, m, v, t, lr, betas, eps, decay=weight_decay, shrink=1)


def adamw_kernel(p, g, m, v, t, lr, betas, eps, weight_decay):
    """adamw_formula in place: p, g, m, v (size,)."""
    _step(p, g, m, v, t, lr, betas, eps, decay=0, shrink=1 - lr * weight_decay)


class Adam(Optimizer):
    """Adam.

    params        Tensors, or groups (see Optimizer)
    lr            learning rate: about how far a number moves in a step
    betas         b1, b2: how much of m and v is kept from step to step, each 0..1, below 1
    eps           keeps the division finite
    weight_decay  times p, added to the gradient
    """

    MEMORY = ("m", "v")
    formula, kernel = staticmethod(adam_formula), staticmethod(adam_kernel)

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)


class AdamW(Adam):
    """Adam whose weight_decay shrinks p directly, by lr weight_decay a step; arguments as Adam's."""

    formula, kernel = staticmethod(adamw_formula), staticmethod(adamw_kernel)

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        super().__init__(params, lr, betas, eps, weight_decay)
