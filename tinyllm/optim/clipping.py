"""Clipping by the global norm (Pascanu et al. 2013), as in PyTorch.

    norm = sqrt(sum of g^2 over every number of every gradient)
    g    = g * max_norm / (norm + 1e-6)         where that factor is below 1

The sum is taken in float64, in chunks of fixed size that are added in order: the same bits for any number of
threads.
"""
import math

import numpy as np
from numba import prange

from tinyllm.autograd import Tensor, on_formulas
from tinyllm.kernels.jit import jit
from tinyllm.optim.optimizer import CHUNK


def norm_formula(gradients):
    """The norm of all the arrays together."""
    return math.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in gradients))


@jit
def _sum_of_squares(g):
    total = 0.0
    for i in range(g.shape[0]):
        number = np.float64(g[i])
        total += number * number
    return total


@jit(parallel=True)
def _chunk_squares(g, sums):
    for chunk in prange(sums.shape[0]):
        sums[chunk] = _sum_of_squares(g[chunk * CHUNK:min(g.shape[0], (chunk + 1) * CHUNK)])


@jit
def _scale_chunk(g, factor):
    for i in range(g.shape[0]):
        g[i] *= factor


@jit(parallel=True)
def _scale(g, factor):
    for chunk in prange((g.shape[0] + CHUNK - 1) // CHUNK):
        _scale_chunk(g[chunk * CHUNK:min(g.shape[0], (chunk + 1) * CHUNK)], factor[0])


def norm_kernel(gradients):
    """norm_formula of arrays that are C-contiguous, over threads."""
    sums = [np.empty((g.size + CHUNK - 1) // CHUNK) for g in gradients]
    for g, chunks in zip(gradients, sums):
        _chunk_squares(g.reshape(-1), chunks)
    return math.sqrt(np.concatenate([np.zeros(1), *sums]).sum())


def clip_grad_norm_(params, max_norm):
    """Scale all gradients so that their global norm is at most max_norm; returns the norm before (a float).

    params    Tensors; those whose grad is None do not count
    max_norm  above 0; math.inf only measures

    A norm that is not finite is returned as it is and leaves the gradients alone.
    Raises ValueError for a max_norm that is not above 0.
    """
    if not max_norm > 0:
        raise ValueError(f"clip_grad_norm_: max_norm must be above 0, got {max_norm}")
    params = [params] if isinstance(params, Tensor) else params
    params = list({id(p): p for p in params if p.grad is not None}.values())  # each once
    for p in params:  # what backward leaves is its own memory already
        p.grad = np.require(p.grad, requirements="CW")
    gradients = [p.grad for p in params]
    norm = norm_formula(gradients) if on_formulas() else norm_kernel(gradients)
    factor = max_norm / (norm + 1e-6)
    if math.isfinite(norm) and factor < 1:
        for g in gradients:
            _scale(g.reshape(-1), np.array([factor], g.dtype))
    return norm
