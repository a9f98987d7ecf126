"""A moving average of the weights: often better than the last weights, at the price of a second copy.

    a = d_t a + (1 - d_t) w        d_t = min(d, (1 + t) / (10 + t)) after step t = 1, 2, ...

The decay grows from small values, so that the weights of the first steps are forgotten soon.
"""
import contextlib

import numpy as np
from numba import prange

from tinyllm.autograd import on_formulas
from tinyllm.kernels.jit import jit
from tinyllm.optim.optimizer import CHUNK


def average_formula(average, weights, decay):
    """The new average, as the docstring writes it."""
    return decay * average + (1 - decay) * weights


@jit
def _average_chunk(average, weights, new):
    for i in range(average.shape[0]):
        average[i] += new * (weights[i] - average[i])


@jit(parallel=True)
def _average_chunks(average, weights, new):
    for chunk in prange((average.shape[0] + CHUNK - 1) // CHUNK):
        a, b = chunk * CHUNK, min(average.shape[0], (chunk + 1) * CHUNK)
        _average_chunk(average[a:b], weights[a:b], new[0])


def average_kernel(average, weights, decay):
    """average_formula in place, over threads in chunks of fixed size: average, weights (size,)."""
    _average_chunks(average, weights, np.array([1 - decay], average.dtype))


class WeightAverage:
    """The average of some parameters with decay d in (0, 1); arrays has one for each, in their dtype."""

    def __init__(self, parameters, decay):
        self.parameters, self.decay = parameters, decay
        self.arrays = [parameter.data.copy() for parameter in parameters]

    def move(self, step):
        """Take in the weights after step 1, 2, ..."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for average, parameter in zip(self.arrays, self.parameters):
            if on_formulas():
                average[...] = average_formula(average, parameter.data, decay)
            else:
                average_kernel(average.reshape(-1), parameter.data.reshape(-1), decay)

    @contextlib.contextmanager
    def in_place(self):
        """Inside, the parameters are their average."""
        weights = [parameter.data for parameter in self.parameters]
        for parameter, average in zip(self.parameters, self.arrays):
            parameter.data = average
        try:
            yield
        finally:
            for parameter, data in zip(self.parameters, weights):
                parameter.data = data
