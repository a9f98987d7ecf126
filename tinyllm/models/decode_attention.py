"""The attention layers of the whole loop (decode_kernel.py): one query of each row against the positions kept.

The keys k^T and values of a head are packed as the product wants them, position s in column s and in row s, so that a
new position is a column and a row more.  A part owns heads.

Shapes: B rows, n tokens, A heads of D = H / A columns, S positions, U = D times the heads of a part.
"""
import numpy as np
from numba import prange

from tinyllm.kernels.gemm import multiply
from tinyllm.kernels.jit import jit
from tinyllm.kernels.packing import pack
from tinyllm.kernels.recurrence import copy_row
from tinyllm.kernels.tile import WIDTH
from tinyllm.models.packed_weights import linear_rows, share
from tinyllm.ops.attention import PAD
from tinyllm.ops.softmax import exponentials, fill, multiply_by


@jit
def _add_position(k, v, s, k_panels, v_panels):
    """Put key and value (D,) of position s to the packed ones of their head."""
    D, panel, column = k.shape[0], k_panels[s // WIDTH], s % WIDTH
    for d in range(D):
        panel[d, column] = k[d]
    for p in range(v_panels.shape[0]):
        row, n = v_panels[p, s], min(WIDTH, D - p * WIDTH)
        for e in range(n):
            row[e] = v[p * WIDTH + e]
        for e in range(n, WIDTH):
            row[e] = 0


@jit
def _attend(q, k_panels, v_panels, first, end, wide, out):
    """out (1, D): what q (1, D) takes from the positions first..end - 1; ops.attention.attend for one query.

    wide  (1, end + WIDTH + PAD), room for scores: from the panel in which `first` is
    """
    n, begin, dtype = end - first, first // WIDTH * WIDTH, wide.dtype.type
    multiply(q, k_panels[first // WIDTH:(end + WIDTH - 1) // WIDTH, :], wide[:, :end - begin], 0)
    scores = wide[0, first - begin:first - begin + (n + PAD - 1) // PAD * PAD]
    fill(scores[n:], dtype(-np.inf))
    _, Z = exponentials(scores, dtype(1 / np.sqrt(q.shape[1])))
    multiply_by(scores, dtype(1) / Z)
    multiply(wide[:, first - begin:end - begin], v_panels[:, first:end], out, 0)


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
def _pack_share(part, parts, room, first, end, keys, values):
    """Positions first..end - 1 of a KeyValues' room (2, B, positions, H), packed, of the heads of a part.

    keys    (B, A, panels, D, WIDTH), room for more positions; 0 beyond the last, so that nothing odd is multiplied
    values  (B, A, panels, positions, WIDTH)
    """
    B, A, D = keys.shape[0], keys.shape[1], keys.shape[3]
    head, last = share(part, parts, A, np.int64(1))
    used = (end - first + WIDTH - 1) // WIDTH
    for b in range(B):
        for a in range(head, last):
            k, v = room[0, b, first:end, a * D:(a + 1) * D], room[1, b, first:end, a * D:(a + 1) * D]
            pack(k.T, keys[b, a, :used])
            pack(v, values[b, a, :, :end - first])
            for p in range(used, keys.shape[2]):
                for d in range(D):
                    fill(keys[b, a, p, d], keys.dtype.type(0))


@jit(parallel=True)
def pack_heads(forks, parts, room, first, end, keys, values):
    if forks:
        for part in prange(parts):
            _pack_share(np.int64(part), parts, room, first, end, keys, values)
    else:
        for part in range(parts):
            _pack_share(part, parts, room, first, end, keys, values)
