"""The whole loop of writing as one kernel: what `generate` takes as loop for a LanguageModel.

For each of n tokens and each row: embed the last id, the recurrent layers, the attention layers against the
positions kept, the output layer, draw the next id.  It is LanguageModel.step and sampling.sample_row n times,
by the same functions on rows that the ops call (gru_rows, multiply, exponentials, normalize_row) and in the
same order, so logits, states and tokens have the bits of the plain loop.  What is saved is all that the plain
loop does around them: Python, packing the weights at every step and the keys at every step.

No row needs another, so every thread takes its rows through the whole loop.

The weights are packed once (packed_weights.py). The keys k^T and values of a head are packed too, position s
in column s and in row s, so that a new position is a column and a row more.

Shapes: B rows, n tokens, V, E, H as in LanguageModel, A heads of D = H / A columns, S positions before the
first token, R rows of one thread.
"""
import math

import numpy as np
from numba import prange

from tinyllm.decoding.sampling import NOTHING, check_drawn, sample_row
from tinyllm.kernels import scratch, threads
from tinyllm.kernels.gemm import WIDTH, multiply, panels_shape
from tinyllm.kernels.jit import compiling, jit
from tinyllm.kernels.recurrence import copy_row
from tinyllm.models.packed_weights import GRU, LSTM, linear_rows, pack_model, panels
from tinyllm.ops.attention import PAD
from tinyllm.ops.gru import gru_rows
from tinyllm.ops.layer_norm import normalize_row
from tinyllm.ops.lstm import lstm_rows
from tinyllm.ops.rnn import rnn_rows
from tinyllm.ops.softmax import exponentials, fill, multiply_by


@jit
def _cell(x, weights, places, i, h, c, gates, s, kept, out):
    """One step of a recurrent layer, whose pieces are i, i + 1, i + 2: h and c (R, H) move on.

    gates, s   (R, 1, N) and (R, N), room for W_ih x and W_hh h; kept: (R, 1, H), room
    out        (R, 1, H) = h
    """
    (R, H), N = h.shape, s.shape[1]
    b, forward = places[i + 2], np.int64(0)
    w_hh = panels(weights, places[i + 1], H, N)
    valid = np.empty((0, 0), np.bool_)  # NO_MASK here would be a constant, another type: all compiled twice
    multiply(x, panels(weights, places[i], x.shape[1], N), gates.reshape((R, N)), 0)
    if N == GRU * H:
        gru_rows(gates, weights[b:b + 4 * H], w_hh, h, s, valid, forward, out, kept)
    elif N == LSTM * H:
        lstm_rows(gates, weights[b:b + N], w_hh, h, c, s, valid, forward, out, kept)
    else:
        rnn_rows(gates, weights[b:b + N], w_hh, h, s, valid, forward, out)


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
def _pack_rows(room, first, end, keys, values, b0, b1):
    """Positions first..end - 1 of a KeyValues' room (2, B, positions, H), packed, for the rows b0..b1 - 1.

    keys    (B, A, panels, D, WIDTH), room for more positions; 0 beyond the last, so that nothing odd is multiplied
    values  (B, A, panels, positions, WIDTH)
    """
    A, D = keys.shape[1], keys.shape[3]
    for b in range(b0, b1):
        for a in range(A):
            for p in range((end - first) // WIDTH, keys.shape[2]):
                for d in range(D):
                    fill(keys[b, a, p, d], keys.dtype.type(0))
        for s in range(end - first):
            k, v = room[0, b, first + s], room[1, b, first + s]
            for a in range(A):
                _add_position(k[a * D:(a + 1) * D], v[a * D:(a + 1) * D], s, keys[b, a], values[b, a])


@jit(parallel=True)
def _pack_parts(parts, room, first, end, keys, values):
    B = keys.shape[0]
    for part in prange(parts):
        _pack_rows(room, first, end, keys, values, B * part // parts, B * (part + 1) // parts)


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
def _attention_layer(h, weights, places, i, eps, first, end, keys, values, fresh, qkv, mixed, added, wide):
    """h (R, H) becomes LN(h + W_o attention(h) + b_o); the pieces of the layer begin at i.

    keys, values  of the R rows, packed; position end - 1 is that of h and comes in here, in fresh (R, 2, H) as well
    """
    (R, H), A, D = h.shape, keys.shape[1], keys.shape[3]
    linear_rows(h, weights, places, i, qkv)
    for r in range(R):
        k, v = qkv[r][H:2 * H], qkv[r][2 * H:]
        copy_row(k, fresh[r, 0])
        copy_row(v, fresh[r, 1])
        for a in range(A):
            columns = slice(a * D, (a + 1) * D)
            _add_position(k[columns], v[columns], end - 1, keys[r, a], values[r, a])
            _attend(qkv[r:r + 1, columns], keys[r, a], values[r, a], first, end, wide, mixed[r:r + 1, columns])
    linear_rows(mixed, weights, places, i + 2, added)
    gain, bias = weights[places[i + 4]:places[i + 4] + H], weights[places[i + 5]:places[i + 5] + H]
    for r in range(R):
        h_r, added_r = h[r], added[r]
        for j in range(H):
            added_r[j] = h_r[j] + added_r[j]
        normalize_row(added_r, gain, bias, eps, h_r)


@jit
def _draw(logits, u, settings, seen, banned, ended, stop_id, numbers, places, ids):
    """ids (R,) from logits (R, V), as decoding.generate.steps draws them; False if from one nothing can be drawn."""
    drawn = True
    for r in range(logits.shape[0]):
        i = sample_row(logits[r], u[r], settings, seen[r], banned, numbers, places)
        if i == NOTHING:
            drawn = False
        elif ended[r]:
            i = stop_id
        elif i == stop_id:
            ended[r] = True
        ids[r] = i
        if i != NOTHING:
            seen[r, i] = True
    return drawn


@jit
def _write_rows(model, context, past, hidden, keys, values, fresh, ids, u, settings, seen, banned, ended, stop_id,
                written, b0, b1):
    """Rows b0..b1 - 1 through the whole loop, on one thread.

    model         Packed
    context       how many earlier positions attention sees, -1: all; past of them are in keys and values
    hidden        (1 or 2, layers, B, H): h and for lstm c; moves on
    keys, values  of each attention layer, packed as _pack_rows leaves them
    fresh         (attention layers, n, B, 2, H): the keys and values of the new positions
    written       (n, B): the ids drawn; up to a NOTHING in those rows
    """
    weights, places, eps, V, E, H, gates_number, layers, attention_layers, _, projected = model
    R, N, n, dtype = b1 - b0, gates_number * H, u.shape[0], weights.dtype
    x, gates, s = np.empty((R, E), dtype), np.empty((R, 1, N), dtype), np.empty((R, N), dtype)
    kept, out, qkv = np.empty((R, 1, H), dtype), np.empty((R, 1, H), dtype), np.empty((R, 3 * H), dtype)
    mixed, added = np.empty((R, H), dtype), np.empty((R, H), dtype)
    wide, logits = np.empty((1, past + n + WIDTH + PAD), dtype), np.empty((R, V), dtype)
    numbers, ids_room = np.empty((2, V), np.float64), np.empty((2, V), np.int64)
    h = out.reshape((R, H))
    for t in range(n):
        last = ids if t == 0 else written[t - 1]
        for r in range(R):
            at = places[0] + last[b0 + r] * E
            copy_row(weights[at:at + E], x[r])
        piece = np.int64(1)  # a plain 1 would be a type of its own, and everything compiled twice
        for layer in range(layers):
            h_layer, c_layer = hidden[0, layer, b0:b1], hidden[hidden.shape[0] - 1, layer, b0:b1]
            _cell(x if layer == 0 else h, weights, places, piece, h_layer, c_layer, gates, s, kept, out)
            piece += 3
        end = past + t + 1
        first = max(0, end - 1 - context) if context >= 0 else 0
        for a in range(attention_layers):
            _attention_layer(h, weights, places, piece, eps[a], first, end, keys[a, b0:b1], values[a, b0:b1],
                             fresh[a, t, b0:b1], qkv, mixed, added, wide)
            piece += 6
        if projected:
            linear_rows(h, weights, places, piece, x)
            piece += 2
        tied = x if projected else h
        linear_rows(tied, weights, places, piece, logits)
        if not _draw(logits, u[t, b0:b1], settings, seen[b0:b1], banned, ended[b0:b1], stop_id, numbers, ids_room,
                     written[t, b0:b1]):
            return


@jit(parallel=True)
def _write_parts(parts, model, context, past, hidden, keys, values, fresh, ids, u, settings, seen, banned, ended,
                 stop_id, written):
    B = ids.shape[0]
    for part in prange(parts):
        _write_rows(model, context, past, hidden, keys, values, fresh, ids, u, settings, seen, banned, ended, stop_id,
                    written, B * part // parts, B * (part + 1) // parts)


def _over_rows(parts, rows, over_threads, B, *arrays):
    """One part is done here: a fork costs more than a token where the machine is busy."""
    if parts == 1:
        rows(*arrays, 0, B)
    else:
        over_threads(parts, *arrays)


class WholeLoop:
    """loop(state, ids (B,), u (n, B), drawing) -> ids (n, B), for generate: n rounds at once.

    The state is moved on as by n steps; drawing is brought up to date.  Weights are those of the moment it was made.
    Raises ValueError as sample does where nothing can be drawn.
    """

    def __init__(self, model):
        self.packed = pack_model(model)

    def __call__(self, state, ids, u, drawing):
        (n, B), model, dtype = u.shape, self.packed, self.packed.weights.dtype
        L, A, D = model.num_attention_layers, model.num_heads, model.hidden_dim // model.num_heads
        past = len(state.attention[0]) if L else 0
        context = state.attention[0].context if L else None
        key_panels, value_panels = panels_shape(D, past + n), panels_shape(past + n, D)
        keys = scratch.take("whole loop keys", L * B * A * math.prod(key_panels), dtype)
        values = scratch.take("whole loop values", L * B * A * math.prod(value_panels), dtype)
        keys, values = keys.reshape(L, B, A, *key_panels), values.reshape(L, B, A, *value_panels)
        parts = min(threads.count(), B) if compiling() else 1
        for kept, k, v in zip(state.attention, keys, values):
            _over_rows(parts, _pack_rows, _pack_parts, B, kept.room, kept.first, kept.end, k, v)
        hidden, fresh = np.stack(state.hidden), np.empty((L, n, B, 2, model.hidden_dim), dtype)
        written = np.zeros((n, B), np.int64)
        with np.errstate(over="ignore"):  # as in sample, where compilation is off
            _over_rows(parts, _write_rows, _write_parts, B, model, -1 if context is None else context, past, hidden,
                       keys, values, fresh, np.ascontiguousarray(ids, np.int64), u, drawing.settings, drawing.seen,
                       drawing.banned, drawing.ended, drawing.stop_id, written)
        if (written == NOTHING).any():
            check_drawn("sample", written[(written == NOTHING).any(axis=1)][0])
        state.hidden = list(hidden)
        for kept, new in zip(state.attention, fresh):
            kept.append(*new.transpose(2, 1, 0, 3))
        return written
