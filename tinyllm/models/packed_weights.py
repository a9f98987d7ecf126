"""The weights of a language model as the whole loop reads them: one array, packed once, a share for each part.

The parts work on every token together, and each reads only its share of a layer, which lies together:

    recurrent layer    the rows of its hidden units, for every gate, of W_ih, W_hh and the biases as the cell adds them
    attention layer    the rows of its heads, for q, k and v, of W_qkv; its rows of W_out
    output layer       its rows; the same for the projection before it, if there is one

A table says where the share of a part in a piece begins, so that one compiled kernel serves every model:

    embedding (V, E), then
    for each recurrent layer    W_ih, W_hh packed, biases
    for each attention layer    W_qkv packed, b_qkv, W_out packed, b_out, gain, bias
    at the end                  W, b of the projection if there is one, then W, b of the output layer

Matrices are packed as gemm.pack packs them, and each share begins on a cache line.  Embedding, gain and bias are
read by all.
"""
import math
from typing import NamedTuple

import numpy as np

from tinyllm.kernels import scratch
from tinyllm.kernels.gemm import WIDTH, multiply, pack, panels_shape
from tinyllm.kernels.jit import jit
from tinyllm.kernels.recurrence import copy_row
from tinyllm.ops.gru import gru_biases

GRU, LSTM = 3, 4  # a cell is known by its number of gates; rnn has 1
UNITS = 32  # hidden units that stay together: whole vectors, because what a loop leaves over may have other last bits


class Packed(NamedTuple):
    """A model as the kernel reads it."""

    weights: np.ndarray  # flat
    places: np.ndarray   # (pieces, parts): where the share of each part begins in weights
    eps: np.ndarray      # of each layer norm
    vocab_size: int
    embed_dim: int
    hidden_dim: int
    gates: int
    num_layers: int
    num_attention_layers: int
    num_heads: int
    projected: int       # 1: a projection H -> E stands before the output layer


@jit
def share(part, parts, N, unit):
    """The first of N that belongs to this part, and the first after it; `unit` of them stay together."""
    units = (N + unit - 1) // unit
    return min(N, units * part // parts * unit), min(N, units * (part + 1) // parts * unit)


def pack_model(model, parts):
    """The Packed of a LanguageModel, its weights as they are now, for so many parts."""
    config, gates = model.config, model.rnn.gates
    table, H = model.embedding.weight.data, config["hidden_dim"]
    pieces = [(table, None, 1)]  # array, how many of its rows stay together (None: all read it), blocks of rows
    for layer in range(config["num_layers"]):
        w_ih, w_hh, b_ih, b_hh = (weight.data for weight in model.rnn.layer_weights(layer))
        biases = gru_biases(b_ih, b_hh) if gates == GRU else b_ih + b_hh
        pieces += [(w_ih, UNITS, gates), (w_hh, UNITS, gates), (biases, UNITS, len(biases) // H)]
    for attention, norm in zip(model.attention, model.norm):
        pieces += [*_linear_pieces(attention.qkv, H // config["num_heads"], 3), *_linear_pieces(attention.out)]
        pieces += [(norm.weight.data, None, 1), (norm.bias.data, None, 1)]
    projected = hasattr(model, "projection")
    if projected:
        pieces += _linear_pieces(model.projection)
    if config["tie_weights"]:
        pieces += [(table, WIDTH, 1), (model.output_bias.data, WIDTH, 1)]
    else:
        pieces += _linear_pieces(model.output)
    return Packed(*_one_array(pieces, parts), np.array([norm.eps for norm in model.norm], np.float64),
                  config["vocab_size"], config["embed_dim"], H, gates, config["num_layers"],
                  config["num_attention_layers"], config["num_heads"], int(projected))


def _linear_pieces(linear, unit=WIDTH, blocks=1):
    return [(linear.weight.data, unit, blocks), (linear.bias.data, unit, blocks)]


def _one_array(pieces, parts):
    """[(array, unit, blocks)] -> weights, places: of each block of rows each part has its share."""
    dtype = pieces[0][0].dtype
    line, places, shares, end = scratch.ALIGNMENT // dtype.itemsize, [], [], 0
    for array, unit, blocks in pieces:
        places.append([])
        for part in range(parts):
            if unit is None and part > 0:
                places[-1].append(places[-1][0])
                continue
            rows = array
            if unit is not None:
                N = len(array) // blocks
                first, last = share(part, parts, N, unit)
                rows = array.reshape(blocks, N, -1)[:, first:last].reshape(blocks * (last - first), *array.shape[1:])
            packs = unit is not None and rows.ndim == 2
            places[-1].append(end)
            shares.append((end, rows, packs))
            size = math.prod(panels_shape(*rows.shape[::-1])) if packs else rows.size
            end += (size + line - 1) // line * line
    room = np.zeros(end + line, dtype)
    weights = room[-room.ctypes.data % scratch.ALIGNMENT // dtype.itemsize:][:end]
    for place, rows, packs in shares:
        if packs:
            N, K = rows.shape
            pack(rows.T, panels(weights, place, K, N))
        else:
            weights[place:place + rows.size] = rows.reshape(-1)
    return weights, np.array(places, np.int64)


@jit
def panels(weights, place, K, N):
    """The packed matrix (K, N) that begins at this place: (panels, K, WIDTH)."""
    P = (N + WIDTH - 1) // WIDTH
    return weights[place:place + P * K * WIDTH].reshape((P, K, WIDTH))


@jit
def linear_rows(x, weights, place_w, place_b, y):
    """y (R, N) = x (R, K) w^T + b, which lie at these places: ops/linear.py on one thread."""
    N = y.shape[1]
    bias = weights[place_b:place_b + N]
    for r in range(y.shape[0]):
        copy_row(bias, y[r])
    multiply(x, panels(weights, place_w, x.shape[1], N), y, 1)
