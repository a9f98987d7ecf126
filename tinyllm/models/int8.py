"""Weights as int8: a quarter of what a processor reads from memory for every token that it writes.

    scale[n] = max_k |w[n, k]| / 127           one for each row, which is an output of its layer
    q[n, k]  = round(w[n, k] / scale[n])       in -127..127
    w[n, k]  ~ scale[n] q[n, k]                off by at most scale[n] / 2

    sum_k w[n, k] x[k] ~ scale[n] sum_k q[n, k] x[k]

Rounded are the matrices that are read as a whole for every token: W_ih and W_hh of the recurrent layers, W_qkv and
W_out of attention, the projection and the output layer.  Of the embedding one row is read, so it stays as it is, also
where the output layer is the same table.  Biases, gains and all that is computed (states, keys, values) stay floats.

The scale is at least the smallest normal float, so that a row of zeros has one.  A row with nan or inf becomes nan.
"""
import copy

import numpy as np
from numba import prange

from tinyllm.autograd import Tensor
from tinyllm.kernels.jit import compiling, jit

MOST = 127


def quantize(w):
    """w (N, K), floats -> q (N, K) int8 and scale (N,) of the dtype of w."""
    if not compiling():
        return quantize_formula(w)
    w, integers = np.ascontiguousarray(w), f"i{w.itemsize}"
    q, scale = np.empty(w.shape, np.int8), np.empty(len(w), w.dtype)
    _quantize(w, w.view(integers), np.iinfo(integers).max, np.finfo(w.dtype).tiny, q, scale, scale.view(integers))
    return q, scale


def quantize_formula(w):
    """quantize, as the text above writes it."""
    with np.errstate(invalid="ignore"):
        scale = np.maximum(abs(w).max(axis=1, initial=0) / w.dtype.type(MOST), np.finfo(w.dtype).tiny)
        return np.nan_to_num(np.rint(w / scale[:, None])).astype(np.int8), scale


@jit(parallel=True, fastmath=False)
def _quantize(w, bits, without_sign, least, q, scale, scale_bits):
    """quantize over rows; bits and scale_bits are w and scale read as integers.

    Without their sign the bits of floats are in the order of the floats, nan the largest; and to find the largest of
    integers a compiler takes vectors.
    """
    for n in prange(w.shape[0]):
        x, x_bits, row, most = w[n], bits[n], q[n], np.int64(0)
        for k in range(x.shape[0]):
            most = max(most, x_bits[k] & without_sign)
        scale_bits[n] = most
        scale_n = scale[n] / w.dtype.type(MOST)
        scale_n = least if scale_n < least else scale_n
        for k in range(x.shape[0]):
            number = np.rint(x[k] / scale_n)
            row[k] = np.int8(number if number == number else 0)
        scale[n] = scale_n


def dequantize(q, scale):
    """scale q: (N, K) floats."""
    return q * scale[:, None]


def rounded(model):
    """A copy of a LanguageModel whose matrices are scale q: what it computes from int8, computed from floats."""
    model = copy.deepcopy(model)
    if model.config["tie_weights"]:
        model.output_table = Tensor(model.output_table.data)  # the embedding's own stays as it is
    for w in _matrices(model):
        w.data = dequantize(*quantize(w.data))
    return model


def _matrices(model):
    """The Tensors that are rounded."""
    for layer in range(model.config["num_layers"]):
        yield from model.rnn.layer_weights(layer)[:2]
    for attention in model.attention:
        yield from (attention.qkv.weight, attention.out.weight)
    if hasattr(model, "projection"):
        yield model.projection.weight
    yield model.output_table if model.config["tie_weights"] else model.output.weight
