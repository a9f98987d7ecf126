"""The whole loop of writing as one kernel: what `generate` takes as loop for a LanguageModel.

For each of n tokens: embed the last ids, the recurrent layers, the attention layers against the positions kept,
the output layer, draw the next ids.  It is LanguageModel.step and sampling.sample_row n times, by the same functions
on rows that the ops call (gru_gates, multiply, exponentials, normalize_row) and in the same order, so logits, states
and tokens have the bits of the plain loop.  What is saved is all that the plain loop does around them: Python,
packing the weights at every step and the keys at every step.

All parts work on every token, in stages, between which they wait for each other:

    each recurrent layer    a part owns hidden units: their rows of W_ih x, W_hh h, and the gates
    each attention layer    a part owns heads: their q, k, v, the scores and what they take from the values;
                            then it owns columns of W_out mixed + b
    [projection] output     a part owns columns
    drawing                 a part owns rows of the batch; of a small output layer it computes their logits itself

So a thread reads at every token the same share of the weights, keys and values, which stays in its cache.  Residual and
layer norm after an attention layer need whole rows; every part does them for itself at the beginning of the next stage.

The weights are packed once (packed_weights.py), keys and values as they come (decode_attention.py); whether threads are
worth it is measured (pace.py).

Shapes: B rows, n tokens, V, E, H as in LanguageModel, A heads of D = H / A columns, S positions before the
first token; U units or columns of one part.
"""
import math
from typing import NamedTuple

import numpy as np
from numba import prange

from tinyllm.decoding.sampling import NOTHING, check_drawn, sample_row
from tinyllm.kernels import scratch, threads
from tinyllm.kernels.jit import jit
from tinyllm.kernels.recurrence import copy_row
from tinyllm.kernels.tile import WIDTH
from tinyllm.models.decode_attention import PackedPast, heads
from tinyllm.models.pace import Pace
from tinyllm.models.packed_weights import GRU, LSTM, UNITS, linear_rows, matrix_rows, pack_model, share
from tinyllm.ops.attention import PAD
from tinyllm.ops.gru import gru_gates
from tinyllm.ops.layer_norm import normalize_row
from tinyllm.ops.lstm import lstm_gates
from tinyllm.ops.rnn import rnn_cell


class Rooms(NamedTuple):
    """What the stages hand on, and with a first axis of parts what each part has for itself."""

    x: np.ndarray        # (B, E): the embedded ids, in the end what the projection gives
    mixed: np.ndarray    # (B, H): what attention takes from the values
    added: np.ndarray    # (B, H): W_out mixed + b
    logits: np.ndarray   # (B, V)
    products: np.ndarray  # (parts, 2, B * gates * U): W_ih x and W_hh h; or q, k, v
    normed: np.ndarray   # (parts, B, H): the state after the attention layers so far
    row: np.ndarray      # (parts, 2, H)
    wide: np.ndarray     # (parts, 1, positions + WIDTH + PAD): scores
    numbers: np.ndarray  # (parts, 2, V) float64, and
    ids: np.ndarray      # (parts, 2, V) int64, for drawing

    @classmethod
    def taken(cls, model, B, positions):
        """From the pool."""
        parts, dtype, V, H = model.places.shape[1], model.vectors.dtype, model.vocab_size, model.hidden_dim
        return cls(_room("x", dtype, B, model.embed_dim), _room("mixed", dtype, B, H), _room("added", dtype, B, H),
                   _room("logits", dtype, B, V), _room("products", dtype, parts, 2, B * LSTM * H),
                   _room("normed", dtype, parts, B, H), _room("row", dtype, parts, 2, H),
                   _room("wide", dtype, parts, 1, positions + WIDTH + PAD), _room("numbers", np.float64, parts, 2, V),
                   _room("ids", np.int64, parts, 2, V))


def _room(name, dtype, *shape):
    """An array from the pool."""
    return scratch.take(f"whole loop {name}", math.prod(shape), dtype).reshape(shape)


@jit
def _cell(part, model, i, x, h, new, c, rooms):
    """The share of a part in one step of a recurrent layer, whose pieces are i, i + 1, i + 2.

    x (B, I), h (B, H) -> its columns of new (B, H); those of c (B, H) move on, for lstm
    """
    G, (B, H) = model.gates, h.shape
    first, last = share(part, model.places.shape[1], H, np.int64(UNITS))
    U = last - first
    N, b = G * U, model.vectors[model.places[i + 2, part]:][:4 * U]
    if U == 0:
        return
    gates, s = rooms.products[part, 0, :B * N].reshape((B, N)), rooms.products[part, 1, :B * N].reshape((B, N))
    matrix_rows(x, model, i, part, gates, 0)
    matrix_rows(h, model, i + 1, part, s, 0)
    out, kept = rooms.row[part, 0, :U], rooms.row[part, 1, :U]
    for r in range(B):
        g, s_r, h_r = gates[r], s[r], new[r, first:last]
        copy_row(h[r, first:last], h_r)
        if G == GRU:
            gru_gates(g[:U], g[U:2 * U], g[2 * U:], s_r[:U], s_r[U:2 * U], s_r[2 * U:],
                      b[:U], b[U:2 * U], b[2 * U:3 * U], b[3 * U:], h_r, out, kept)
        elif G == LSTM:
            lstm_gates(g[:U], g[U:2 * U], g[2 * U:3 * U], g[3 * U:], s_r[:U], s_r[U:2 * U], s_r[2 * U:3 * U],
                       s_r[3 * U:], b[:U], b[U:2 * U], b[2 * U:3 * U], b[3 * U:], h_r, c[r, first:last], out, kept)
        else:
            rnn_cell(g, s_r, b[:U], h_r, out)


@jit
def _linear(part, model, i, x, y):
    """The share of a part in y (B, N) = x (B, K) w^T + b, which are pieces i and i + 1: some of the columns."""
    first, last = share(part, model.places.shape[1], y.shape[1], np.int64(WIDTH))
    if last > first:
        linear_rows(x, model, i, part, y[:, first:last])


@jit
def _after(part, model, i, layers, first, last, h, rooms):
    """The state (B, H) after so many attention layers, the pieces of the last being i..i + 5: LN(h + added).

    h            (B, H), that before all of them
    first, last  the rows that are wanted
    """
    if layers == 0:
        return h
    H, sums, normed = h.shape[1], rooms.row[part, 0], rooms.normed[part]
    gain, bias = model.places[i + 4, part], model.places[i + 5, part]
    for r in range(first, last):
        before, added = h[r] if layers == 1 else normed[r], rooms.added[r]
        for j in range(H):
            sums[j] = before[j] + added[j]
        normalize_row(sums, model.vectors[gain:gain + H], model.vectors[bias:bias + H], model.eps[layers - 1],
                      normed[r])
    return normed


@jit
def _embed(model, i, x):
    """x (E,): the embedding of id i."""
    at = model.places[0, 0] + i * model.embed_dim
    copy_row(model.vectors[at:at + model.embed_dim], x)


@jit
def _rows_of_logits(part, model, i, h, first, last, rooms):
    """Rows first..last - 1 of logits (B, V) = h w^T + b, which are pieces i and i + 1, from the shares of all parts."""
    parts, V = model.places.shape[1], rooms.logits.shape[1]
    for other in range(parts):
        begin, end = share(other, parts, V, np.int64(WIDTH))
        if end > begin:
            linear_rows(h[first:last], model, i, other, rooms.logits[first:last, begin:end])


@jit
def _draw(first, last, part, model, u, settings, seen, banned, ended, stop_id, rooms, ids):
    """Rows first..last - 1 of ids (B,), drawn as decoding.generate.steps draws them, and embedded."""
    for r in range(first, last):
        i = sample_row(rooms.logits[r], u[r], settings, seen[r], banned, rooms.numbers[part], rooms.ids[part])
        if i != NOTHING:
            if ended[r]:
                i = np.int64(stop_id)
            elif i == stop_id:
                ended[r] = True
            seen[r, i] = True
            _embed(model, i, rooms.x[r])
        ids[r] = i


@jit
def _ending(stage, part, t, model, i, h, u, settings, seen, banned, ended, stop_id, written, rooms):
    """The share of a part in a stage after the attention layers: projection, logits, drawing; pieces i and on.

    h  (B, H), that before the attention layers
    """
    B, zero, layers = h.shape[0], np.int64(0), model.num_attention_layers
    if stage < model.projected:
        _linear(part, model, i, _after(part, model, i - 6, layers, zero, B, h, rooms), rooms.x)
        return
    first, last = share(part, model.places.shape[1], B, np.int64(1))
    if model.by_rows or stage == model.projected:
        begin, end = (first, last) if model.by_rows else (zero, B)
        x = rooms.x if model.projected else _after(part, model, i - 6, layers, begin, end, h, rooms)
        if model.by_rows:
            _rows_of_logits(part, model, i + 2 * model.projected, x, first, last, rooms)
        else:
            _linear(part, model, i + 2 * model.projected, x, rooms.logits)
    if model.by_rows or stage > model.projected:
        _draw(first, last, part, model, u[t], settings, seen, banned, ended, stop_id, rooms, written[t])


@jit
def _stage(stage, part, t, model, context, past, hidden, cells, keys, values, fresh, u, settings, seen, banned, ended,
           stop_id, written, rooms):
    """The share of a part in one stage of token t; arguments as _write has them."""
    layers, attention_layers = model.num_layers, model.num_attention_layers
    before, after = hidden[t % 2], hidden[(t + 1) % 2]
    if stage < layers:
        if stage == 0:
            x = rooms.x
        else:
            x = after[stage - 1]
        _cell(part, model, 1 + 3 * stage, x, before[stage], after[stage], cells[stage], rooms)
        return
    stage, i, h = stage - layers, 1 + 3 * layers, after[layers - 1]
    if stage < 2 * attention_layers:
        a, i, end = stage // 2, i + stage // 2 * 6, past + t + 1
        if stage % 2 == 0:
            first = max(0, end - 1 - context) if context >= 0 else 0
            h = _after(part, model, i - 6, a, np.int64(0), h.shape[0], h, rooms)
            heads(part, model, i, h, t, first, end, keys[a], values[a], fresh[a], rooms)
        else:
            _linear(part, model, i + 2, rooms.mixed, rooms.added)
        return
    _ending(stage - 2 * attention_layers, part, t, model, i + 6 * attention_layers, h, u, settings, seen, banned,
            ended, stop_id, written, rooms)


@jit(parallel=True)
def _write(forks, t0, t1, model, context, past, hidden, cells, keys, values, fresh, ids, u, settings, seen, banned,
           ended, stop_id, written, rooms):
    """Tokens t0..t1 - 1 of the loop; a part is a thread's where it forks, else one part follows the other.

    model         Packed
    context       how many earlier positions attention sees, -1: all; past of them are in keys and values
    hidden        (2, layers, B, H): h before token t lies in t % 2
    cells         (layers, B, H): c of lstm, moves on; of the other cells anything
    keys, values  those of PackedPast
    fresh         (attention layers, 2, B, n, H): the keys and values of the new positions
    written       (n, B): the ids drawn; up to the first row with a NOTHING
    """
    B, parts = u.shape[1], model.places.shape[1]
    last = ids if t0 == 0 else written[t0 - 1]
    for b in range(B):
        _embed(model, last[b], rooms.x[b])
    stages = model.num_layers + 2 * model.num_attention_layers + model.projected + 2 - model.by_rows
    for t in range(t0, t1):
        for stage in range(stages):
            if forks and (B > 1 or stage + 1 < stages):  # one row is ready sooner than a thread
                for part in prange(parts):
                    _stage(stage, np.int64(part), t, model, context, past, hidden, cells, keys, values, fresh, u,
                           settings, seen, banned, ended, stop_id, written, rooms)  # int64: one compilation for both
            else:
                for part in range(parts):
                    _stage(stage, part, t, model, context, past, hidden, cells, keys, values, fresh, u, settings,
                           seen, banned, ended, stop_id, written, rooms)
        for b in range(B):
            if written[t, b] == NOTHING:
                return


class WholeLoop:
    """loop(state, ids (B,), u (n, B), drawing) -> ids (n, B), for generate: n rounds at once.

    The state is moved on as by n steps; drawing is brought up to date.  Weights are those of the moment it was made,
    and so is the number of threads for which they are packed.  int8: as int8.rounded(model), from int8.
    Keys and values are kept packed for the next call, which should have the same state, in the same thread.
    Raises ValueError for a state that is not the model's or not of B rows, and as sample where nothing can be drawn.
    """

    def __init__(self, model, int8=False):
        self.packed, self.past, self.pace = pack_model(model, threads.count(), int8), PackedPast(), Pace()

    def __call__(self, state, ids, u, drawing):
        (n, B), model, dtype = u.shape, self.packed, self.packed.vectors.dtype
        parts, L, A, H = model.places.shape[1], model.num_attention_layers, model.num_heads, model.hidden_dim
        self._check(state, B)
        context, past = state.attention[0].context if L else None, self.past
        past.read(state.attention, B, A, H // A, n, parts, dtype)
        hidden, cells = np.stack([state.hidden[0]] * 2), state.hidden[-1].copy()
        fresh, rooms = np.empty((L, 2, B, n, H), dtype), Rooms.taken(model, B, past.length + n)
        written, ids = np.zeros((n, B), np.int64), np.ascontiguousarray(ids, np.int64)

        def write(forks, t0, t1):
            _write(forks, t0, t1, model, -1 if context is None else context, past.length, hidden, cells, past.keys,
                   past.values, fresh, ids, u, drawing.settings, drawing.seen, drawing.banned, drawing.ended,
                   drawing.stop_id, written, rooms)
            if (written[t0:t1] == NOTHING).any():
                check_drawn("sample", written[t0:t1][(written[t0:t1] == NOTHING).any(axis=1)][0])

        with np.errstate(over="ignore"):  # as in sample, where compilation is off
            if parts > 1:
                self.pace.run(n, write)
            else:
                write(False, 0, n)
        state.hidden = [hidden[n % 2], cells][:len(state.hidden)]
        past.append(state.attention, fresh)
        return written

    def _check(self, state, B):
        """Stop before compiled code, which checks nothing."""
        model = self.packed
        L, H, dtype = model.num_attention_layers, model.hidden_dim, model.vectors.dtype
        expected = [(model.num_layers, B, H)] * (2 if model.gates == LSTM else 1) + [(B, H)] * L
        got = [h.shape for h in state.hidden] + [kept.shape[::2] for kept in state.attention]
        dtypes = {array.dtype for array in (*state.hidden, *state.attention)}
        if got != expected or dtypes != {dtype}:
            raise ValueError(f"generate: state must hold {dtype} {_listed(expected)}, the last {L} the past of "
                             f"attention, got {', '.join(map(str, dtypes))} {_listed(got)}")


def _listed(shapes):
    return ", ".join(map(str, shapes))
