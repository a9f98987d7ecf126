"""The attention layers of the whole loop (decode_kernel.py): one query of each row against the positions kept.

The keys k^T of a head are packed as the product wants them, position s in column s, and its values lie row after row,
so that a new position is a column and a row more.  A part owns heads.

Shapes: B rows, n tokens, A heads of D = H / A columns, S positions, U = D times the heads of a part.
"""
import math

import numpy as np
from numba import prange

from tinyllm.kernels import scratch
from tinyllm.kernels.gemm import multiply, multiply_row
from tinyllm.kernels.jit import jit
from tinyllm.kernels.packing import pack
from tinyllm.kernels.recurrence import copy_row
from tinyllm.kernels.tile import LANES, WIDTH
from tinyllm.models.packed_weights import linear_rows, share
from tinyllm.ops.attention import PAD
from tinyllm.ops.softmax import exponentials, fill, multiply_by


@jit
def _put_value(v, row):
    """v (D,) into a row of whole vectors."""
    copy_row(v, row[:v.shape[0]])
    fill(row[v.shape[0]:], row.dtype.type(0))


@jit
def _add_position(k, v, s, k_panels, values):
    """Put key and value (D,) of position s to those of their head."""
    panel, column = k_panels[s // WIDTH], s % WIDTH
    if column == 0:
        for d in range(k.shape[0]):
            fill(panel[d], panel.dtype.type(0))
    for d in range(k.shape[0]):
        panel[d, column] = k[d]
    _put_value(v, values[s])


@jit
def _attend(q, k_panels, values, first, end, wide, out):
    """out (1, D): what q (1, D) takes from the positions first..end - 1; ops.attention.attend for one query.

    wide  (1, end + WIDTH + PAD), room for scores: from the panel in which `first` is
    """
    n, begin, dtype = end - first, first // WIDTH * WIDTH, wide.dtype.type
    multiply(q, k_panels[first // WIDTH:(end + WIDTH - 1) // WIDTH, :], wide[:, :end - begin], 0)
    scores = wide[0, first - begin:first - begin + (n + PAD - 1) // PAD * PAD]
    fill(scores[n:], dtype(-np.inf))
    _, Z = exponentials(scores, dtype(1 / np.sqrt(q.shape[1])))
    multiply_by(scores, dtype(1) / Z)
    multiply_row(wide[:, first - begin:end - begin], values[first:end], out)


@jit
def heads(part, model, i, h, t, first, end, keys, values, fresh, rooms):
    """The share of a part in attention: the columns of its heads of mixed (B, H), from h (B, H); W_qkv is piece i.

    keys, values  (B, A, ...), packed; position end - 1 is that of h and comes in here
    fresh         (2, B, n, H): at t as well
    """
    (B, H), D = h.shape, keys.shape[3]
    begin, last = share(part, model.places.shape[1], H, D)
    U = last - begin
    if U == 0:
        return
    qkv = rooms.products[part, 0, :B * 3 * U].reshape((B, 3 * U))[:, :3 * U]
    linear_rows(h, model, i, part, qkv)
    for i in range(B):
        r = i if t % 2 == 0 else B - 1 - i  # there and back: what was read last is still in the cache
        k, v = qkv[r][U:2 * U], qkv[r][2 * U:]
        copy_row(k, fresh[0, r, t, begin:last])
        copy_row(v, fresh[1, r, t, begin:last])
        for a in range(begin // D, last // D):
            own = slice(a * D - begin, (a + 1) * D - begin)
            _add_position(k[own], v[own], end - 1, keys[r, a], values[r, a])
            _attend(qkv[r:r + 1, own], keys[r, a], values[r, a], first, end, rooms.wide[part],
                    rooms.mixed[r:r + 1, a * D:(a + 1) * D])


@jit
def _pack_share(part, parts, both, keys, values):
    """Keys and values (2, B, S, H), packed, of the heads of a part."""
    S, B, A, D = both.shape[2], keys.shape[0], keys.shape[1], keys.shape[3]
    head, last = share(part, parts, A, np.int64(1))
    for b in range(B):
        for a in range(head, last):
            k, v = both[0, b, :, a * D:(a + 1) * D], both[1, b, :, a * D:(a + 1) * D]
            pack(k.T, keys[b, a, :(S + WIDTH - 1) // WIDTH])
            for s in range(S):
                _put_value(v[s], values[b, a, s])


@jit(parallel=True)
def _pack_past(parts, both, keys, values):
    """The same of all heads, over threads."""
    for part in prange(parts):
        _pack_share(np.int64(part), parts, both, keys, values)


def _aligned(dtype, *shape):
    return scratch.aligned(math.prod(shape), dtype).reshape(shape)


class PackedPast:
    """The keys and values of every attention layer as the loop reads them, from one of its calls to the next.

    They are packed anew only where the state's are not those that were left, or where there is no room for more.
    What the last panel has beyond the last position, and a row beyond D, is multiplied but written nowhere: it is 0 at
    first, because numbers near 0, which old memory is full of, take the processor long.

    keys    (layers, B, A, panels, D, WIDTH): k^T
    values  (layers, B, A, positions, D in whole vectors)
    length  positions that they hold, of which the state's are the last
    """

    def __init__(self):
        self.keys = self.values = None
        self.length, self._left = 0, []

    def read(self, attention, B, A, D, n, parts, dtype):
        """Hold what the KeyValues of all layers do, packed: B rows, A heads of D columns, room for n positions more."""
        same = self.values is not None and self._left == [(kept, kept.changes) for kept in attention]
        if same and self.length + n <= self.values.shape[3]:
            return
        self.keys = self.values = None  # given back before as much and more is taken
        self.length, self._left = len(attention[0]) if attention else 0, []
        panels = (2 * (self.length + n) + WIDTH - 1) // WIDTH  # each time twice as many, so that it is rarely done
        self.keys = _aligned(dtype, len(attention), B, A, panels, D, WIDTH)
        self.values = _aligned(dtype, len(attention), B, A, panels * WIDTH, (D + LANES - 1) // LANES * LANES)
        for kept, k, v in zip(attention, self.keys, self.values):
            _pack_past(parts, kept.both(), k, v)

    def append(self, attention, fresh):
        """The loop has put n positions more here; now the KeyValues have them: fresh (layers, 2, B, n, H) is theirs."""
        for kept, new in zip(attention, fresh):
            kept.extend(new)
        self.length, self._left = self.length + fresh.shape[3], [(kept, kept.changes) for kept in attention]
