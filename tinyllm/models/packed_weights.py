"""The weights of a language model as the whole loop reads them: one array, packed once.

A table says where each piece begins, so that one compiled kernel serves every model:

    embedding (V, E), then
    for each recurrent layer    W_ih, W_hh packed, biases as the cell adds them
    for each attention layer    W_qkv packed, b_qkv, W_out packed, b_out, gain, bias
    at the end                  W, b of the projection if there is one, then W, b of the output layer

They are packed as gemm.pack packs them, each piece beginning on a cache line.
"""
import math
from typing import NamedTuple

import numpy as np

from tinyllm.kernels import scratch
from tinyllm.kernels.gemm import WIDTH, multiply, packed, panels_shape
from tinyllm.kernels.jit import jit
from tinyllm.kernels.recurrence import copy_row
from tinyllm.ops.gru import gru_biases

GRU, LSTM = 3, 4  # a cell is known by its number of gates; rnn has 1


class Packed(NamedTuple):
    """A model as the kernel reads it."""

    weights: np.ndarray  # flat
    places: np.ndarray   # where each piece begins in weights
    eps: np.ndarray      # of each layer norm
    vocab_size: int
    embed_dim: int
    hidden_dim: int
    gates: int
    num_layers: int
    num_attention_layers: int
    num_heads: int
    projected: int       # 1: a projection H -> E stands before the output layer


def pack_model(model):
    """The Packed of a LanguageModel, its weights as they are now."""
    config, gates = model.config, model.rnn.gates
    table = model.embedding.weight.data
    pieces = [(table, False)]
    for layer in range(config["num_layers"]):
        w_ih, w_hh, b_ih, b_hh = (weight.data for weight in model.rnn.layer_weights(layer))
        pieces += [(w_ih, True), (w_hh, True), (gru_biases(b_ih, b_hh) if gates == GRU else b_ih + b_hh, False)]
    for attention, norm in zip(model.attention, model.norm):
        pieces += [*_linear_pieces(attention.qkv), *_linear_pieces(attention.out)]
        pieces += [(norm.weight.data, False), (norm.bias.data, False)]
    projected = hasattr(model, "projection")
    if projected:
        pieces += _linear_pieces(model.projection)
    if config["tie_weights"]:
        pieces += [(table, True), (model.output_bias.data, False)]
    else:
        pieces += _linear_pieces(model.output)
    return Packed(*_one_array(pieces), np.array([norm.eps for norm in model.norm], np.float64),
                  config["vocab_size"], config["embed_dim"], config["hidden_dim"], gates, config["num_layers"],
                  config["num_attention_layers"], config["num_heads"], int(projected))


def _linear_pieces(linear):
    return [(linear.weight.data, True), (linear.bias.data, False)]


def _one_array(pieces):
    """[(array, whether it is a matrix w (O, I) to be packed as w^T)] -> weights, places; each on a cache line."""
    dtype, places, end = pieces[0][0].dtype, [], 0
    line = scratch.ALIGNMENT // dtype.itemsize
    for array, packs in pieces:
        places.append(end)
        size = math.prod(panels_shape(*array.shape[::-1])) if packs else array.size
        end += (size + line - 1) // line * line
    room = np.zeros(end + line, dtype)
    weights = room[-room.ctypes.data % scratch.ALIGNMENT // dtype.itemsize:][:end]
    for place, (array, packs) in zip(places, pieces):
        numbers = (packed(array.T) if packs else array).reshape(-1)
        weights[place:place + numbers.size] = numbers
    return weights, np.array(places, np.int64)


@jit
def panels(weights, place, K, N):
    """The packed matrix (K, N) that begins at this place: (panels, K, WIDTH)."""
    P = (N + WIDTH - 1) // WIDTH
    return weights[place:place + P * K * WIDTH].reshape((P, K, WIDTH))


@jit
def linear_rows(x, weights, places, i, y):
    """y (R, N) = x (R, K) w^T + b, which are pieces i and i + 1: ops/linear.py on one thread."""
    N = y.shape[1]
    bias = weights[places[i + 1]:places[i + 1] + N]
    for r in range(y.shape[0]):
        copy_row(bias, y[r])
    multiply(x, panels(weights, places[i], x.shape[1], N), y, 1)
