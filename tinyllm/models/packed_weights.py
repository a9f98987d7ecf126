"""The weights of a language model as the whole loop reads them: two arrays, packed once, a share for each part.

The parts work on every token together, and each reads only its share of a layer, which lies together:

    recurrent layer    the rows of its hidden units, for every gate, of W_ih, W_hh and the biases as the cell adds them
    attention layer    the rows of its heads, for q, k and v, of W_qkv; its rows of W_out
    output layer       its rows; the same for the projection before it, if there is one

A table says where the share of a part in a piece begins, so that one compiled kernel serves every model:

    embedding (V, E), then
    for each recurrent layer    W_ih, W_hh packed, biases
    for each attention layer    W_qkv packed, b_qkv, W_out packed, b_out, gain, bias
    at the end                  W, b of the projection if there is one, then W, b of the output layer

Matrices are packed as packing.py says, as floats or, rounded, as int8 (int8.py); all else is floats, the scales of
int8 too.  Each share begins on a cache line.  Embedding, gain and bias are read by all.
"""
import math
from typing import NamedTuple

import numpy as np

from tinyllm.kernels import scratch
from tinyllm.kernels.gemm import multiply_scaled
from tinyllm.kernels.jit import jit
from tinyllm.kernels.packing import pack_into, panels_shape
from tinyllm.kernels.recurrence import copy_row
from tinyllm.kernels.tile import WIDTH
from tinyllm.models.int8 import quantize
from tinyllm.ops.gru import gru_biases

GRU, LSTM = 3, 4  # a cell is known by its number of gates; rnn has 1
SMALL = 1 << 16  # up to so many weights of an output layer, to read all takes a part less than to wait once more
UNITS = 32  # hidden units that stay together: whole vectors, because what a loop leaves over may have other last bits


class Packed(NamedTuple):
    """A model as the kernel reads it."""

    matrices: np.ndarray  # flat, floats or int8
    vectors: np.ndarray   # flat, floats: what is no matrix, and the embedding, of which rows are read
    places: np.ndarray    # (pieces, parts): where the share of each part begins in the one or the other
    scales: np.ndarray    # (pieces, parts): where those of a matrix begin in vectors; floats have none
    eps: np.ndarray       # of each layer norm
    vocab_size: int
    embed_dim: int
    hidden_dim: int
    gates: int
    num_layers: int
    num_attention_layers: int
    num_heads: int
    projected: int       # 1: a projection H -> E stands before the output layer
    by_rows: int         # 1: the output layer is so small that a part computes all the logits of the rows that it draws


@jit
def share(part, parts, N, unit):
    """The first of N that belongs to this part, and the first after it; `unit` of them stay together."""
    units = (N + unit - 1) // unit
    return min(N, units * part // parts * unit), min(N, units * (part + 1) // parts * unit)


def pack_model(model, parts, int8=False):
    """The Packed of a LanguageModel, its weights as they are now, for so many parts; int8: its matrices rounded."""
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
        output = model.output_table.data
        pieces += [(output, WIDTH, 1), (model.output_bias.data, WIDTH, 1)]
    else:
        output = model.output.weight.data
        pieces += _linear_pieces(model.output)
    return Packed(*_laid_out(pieces, parts, int8), np.array([norm.eps for norm in model.norm], np.float64),
                  config["vocab_size"], config["embed_dim"], H, gates, config["num_layers"],
                  config["num_attention_layers"], config["num_heads"], int(projected),
                  int(output.size <= SMALL))


def _linear_pieces(linear, unit=WIDTH, blocks=1):
    return [(linear.weight.data, unit, blocks), (linear.bias.data, unit, blocks)]


def _laid_out(pieces, parts, int8):
    """[(array, unit, blocks)] -> matrices, vectors, places, scales: of each block of rows each part has its share."""
    dtype = pieces[0][0].dtype
    matrices, vectors = _Flat(np.int8 if int8 else dtype), _Flat(dtype)
    places, scales = np.zeros((2, len(pieces), parts), np.int64)
    for i, (array, unit, blocks) in enumerate(pieces):
        if unit is None:
            places[i] = vectors.add(array.reshape(-1))
            continue
        packs = array.ndim == 2
        if packs and int8:
            array, scale = quantize(array)
        for part in range(parts):
            rows = _rows(array, part, parts, unit, blocks)
            places[i, part] = matrices.add_panels(rows.T) if packs else vectors.add(rows)
            if packs and int8:
                scales[i, part] = vectors.add(_rows(scale, part, parts, unit, blocks), multiple=WIDTH)
    return matrices.array(), vectors.array(), places, scales


def _rows(array, part, parts, unit, blocks):
    """The share of a part in the rows of each block."""
    N = len(array) // blocks
    first, last = share(part, parts, N, unit)
    return array.reshape(blocks, N, -1)[:, first:last].reshape(blocks * (last - first), *array.shape[1:])


class _Flat:
    """Arrays that are to lie one after the other in a single one, each from a cache line on, 0 between them."""

    def __init__(self, dtype):
        self.dtype, self.end, self.shares = np.dtype(dtype), 0, []

    def add(self, array, multiple=1):
        """Where it will begin; room for so many numbers or a multiple of that."""
        return self._add(array, (array.size + multiple - 1) // multiple * multiple)

    def add_panels(self, matrix):
        """Where matrix (K, N), packed, will begin."""
        return self._add(matrix, math.prod(panels_shape(*matrix.shape)))

    def _add(self, array, size):
        place, line = self.end, scratch.ALIGNMENT // self.dtype.itemsize
        self.shares.append((place, array))
        self.end += (size + line - 1) // line * line
        return place

    def array(self):
        """All that was added."""
        flat = scratch.aligned(self.end, self.dtype)
        flat.fill(0)
        for place, array in self.shares:
            if array.ndim == 2:
                pack_into(array, panels(flat, place, *array.shape))
            else:
                flat[place:place + array.size] = array
        return flat


@jit
def panels(flat, place, K, N):
    """The packed matrix (K, N) that begins at this place: (panels, K, WIDTH)."""
    P = (N + WIDTH - 1) // WIDTH
    return flat[place:place + P * K * WIDTH].reshape((P, K, WIDTH))


@jit
def matrix_rows(x, model, i, part, y, adds):
    """y (R, N) (+)= x (R, K) w^T, w (N, K) being the share of a part in piece i."""
    w, scales = panels(model.matrices, model.places[i, part], x.shape[1], y.shape[1]), model.scales[i, part]
    multiply_scaled(x, w, model.vectors[scales:scales + w.shape[0] * WIDTH], y, adds)


@jit
def linear_rows(x, model, i, part, y):
    """y (R, N) = x (R, K) w^T + b, the share of a part in pieces i and i + 1: ops/linear.py on one thread."""
    bias = model.vectors[model.places[i + 1, part]:][:y.shape[1]]
    for r in range(y.shape[0]):
        copy_row(bias, y[r])
    matrix_rows(x, model, i, part, y, 1)
