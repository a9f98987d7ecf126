"""Gated recurrent unit: one layer, one direction, a whole sequence.

Forward, for t = 0, 1, ..., T-1 (T-1, ..., 0 where reverse), gates in the order r, z, n:

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
    z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    g = W_hn h + b_hn
    n = tanh(W_in x + b_in + r * g)
    h' = (1 - z) * n + z * h                 kept per step: h, r, z, n, g

Backward, going back in time, dh = gradient from the step after + dout[t]:

    da_n = dh * (1 - z) * (1 - n^2)
    da_z = dh * (h - n) * z * (1 - z)
    da_r = da_n * g * r * (1 - r)
    di   = [da_r, da_z, da_n]                dx = di W_ih      dW_ih += di^T x     db_ih += sum_B di
    dg   = [da_r, da_z, da_n * r]            dh = dh * z + dg W_hh
                                             dW_hh += dg^T h     db_hh += sum_B dg

Where valid[b, t] is False (padding), h' = h and dh passes through, so the last state of a row is the state
at its true end.  PyTorch's packed sequences give 0 there instead.

W_ih x for all t is one product before the loop, dW_ih, dW_hh and dx are one product each after it; only W_hh
h and dg W_hh are inside.  The loop runs once for every part of the batch, each on its own thread.  Where x
comes straight from embedding, and its table has at most half as many rows as there are steps, these products are of the
table: what two steps have in common is computed once.

Shapes: x (B, T, E), h0 (B, H), W_ih (3H, E), W_hh (3H, H), b_ih and b_hh (3H,), h (B, T, H).

This is PyTorch's and cuDNN's cell: r acts after the product W_hn h, and z keeps the old state.  Cho et al.
2014 apply r to h before the product; Chung et al. 2014 also let z weigh the new state.  All three are called
GRU.
"""
import numpy as np
from numba import prange

from tinyllm.autograd import Tensor, on_formulas, recorded
from tinyllm.kernels import recurrence, scratch
from tinyllm.kernels.elementary import sigmoid, tanh
from tinyllm.kernels.gemm import multiply
from tinyllm.kernels.jit import ELEMENTWISE, jit
from tinyllm.kernels.packing import packed
from tinyllm.kernels.recurrence import copy_row, rows_of, time_of
from tinyllm.kernels.sums import add_row, column_sums
from tinyllm.ops.arrangement import stack, where
from tinyllm.ops.embedding import table_of


def gru_formula(x, h0, w_ih, w_hh, b_ih, b_hh, valid=None, reverse=False):
    """The formula as the docstring writes it, one step after the other."""
    T, H = x.shape[1], h0.shape[1]
    h, states = h0, [None] * T
    for t in reversed(range(T)) if reverse else range(T):
        i = x[:, t] @ w_ih.T + b_ih
        s = h @ w_hh.T + b_hh
        r = (i[:, :H] + s[:, :H]).sigmoid()
        z = (i[:, H:2 * H] + s[:, H:2 * H]).sigmoid()
        n = (i[:, 2 * H:] + r * s[:, 2 * H:]).tanh()
        new = (1 - z) * n + z * h
        h = new if valid is None else where(valid[:, t:t + 1], new, h)
        states[t] = h
    return stack(states, axis=1)


@jit(fastmath=ELEMENTWISE)
def gru_gates(i_r, i_z, i_n, s_r, s_z, s_n, b_r, b_z, b_in, b_hn, h, out, g):
    """One step of one row: h becomes h'.  i = W_ih x, s = W_hh h; r, z, n take i's places."""
    for j in range(h.shape[0]):
        r = sigmoid(i_r[j] + s_r[j] + b_r[j])
        z = sigmoid(i_z[j] + s_z[j] + b_z[j])
        g_j = s_n[j] + b_hn[j]
        n = tanh(i_n[j] + b_in[j] + r * g_j)
        new = n + z * (h[j] - n)
        i_r[j], i_z[j], i_n[j], g[j] = r, z, n, g_j
        h[j] = new
        out[j] = new


@jit
def gru_rows(gates, biases, panels, h, s, valid, reverse, out, g):
    """Rows of a batch through time, on one thread: h (R, H) goes from the first state to the last.

    gates    (R, T, 3H): W_ih x when it comes, r, z, n when it goes
    biases   (4H,): b_ir + b_hr, b_iz + b_hz, b_in, b_hn
    panels   W_hh^T packed
    s        (R, 3H), room for W_hh h
    valid    (R, T), or empty where all is valid
    out, g   (R, T, H); g may be (R, 1, H) where nobody wants to keep it
    """
    R, T, H = out.shape
    keeps = g.shape[1] == T
    b_r, b_z, b_in, b_hn = biases[:H], biases[H:2 * H], biases[2 * H:3 * H], biases[3 * H:]
    for step in range(T):
        t = time_of(step, T, reverse)
        multiply(h, panels, s, 0)
        for b in range(R):
            if valid.size and not valid[b, t]:
                copy_row(h[b], out[b, t])
                continue
            i, s_b = gates[b, t], s[b]
            gru_gates(i[:H], i[H:2 * H], i[2 * H:], s_b[:H], s_b[H:2 * H], s_b[2 * H:],
                      b_r, b_z, b_in, b_hn, h[b], out[b, t], g[b, t if keeps else 0])


@jit(parallel=True)
def _gru_parts(parts, gates, biases, panels, h, s, valid, reverse, out, g):
    B = out.shape[0]
    for part in prange(parts):
        b0, b1 = rows_of(part, parts, B)
        gru_rows(gates[b0:b1], biases, panels, h[b0:b1], s[b0:b1], valid[b0:b1], reverse,
                 out[b0:b1], g[b0:b1])


def gru_biases(b_ih, b_hh):
    """b_ih, b_hh (3H,) -> (4H,) as gru_rows adds them: r and z need only the sums."""
    H = len(b_ih) // 3
    return np.concatenate([b_ih[:2 * H] + b_hh[:2 * H], b_ih[2 * H:], b_hh[2 * H:]])


def gru_forward(x, h0, w_ih, w_hh, b_ih, b_hh, valid=None, reverse=False, saves=True, ids=None):
    """Arrays -> h (B, T, H), and for the backward gates (B, T, 3H) = r, z, n and g (B, T, H).

    Without saves, gates and g are room from the pool.
    """
    (B, H), T = h0.shape, (x if ids is None else ids).shape[1]
    if saves:
        gates, g = np.empty((B, T, 3 * H), x.dtype), np.empty((B, T, H), x.dtype)
    else:
        gates = scratch.take("gru gates", B * T * 3 * H, x.dtype).reshape(B, T, 3 * H)
        g = scratch.take("gru g", B * H, x.dtype).reshape(B, 1, H)
    recurrence.product_before(x, ids, w_ih, gates)
    h = scratch.take("gru h", B * H, x.dtype).reshape(B, H)
    s = scratch.take("gru s", B * 3 * H, x.dtype).reshape(B, 3 * H)
    h[...] = h0
    out = np.empty((B, T, H), x.dtype)
    _gru_parts(recurrence.parts(B), gates, gru_biases(b_ih, b_hh), packed(w_hh.T, "gru w_hh"), h, s,
               recurrence.NO_MASK if valid is None else valid, int(reverse), out, g)
    return out, gates, g


@jit
def gru_gates_backward(dh, dout, r, z, n, g, h, da_n, da_r, da_z, dg_n, dg):
    """One step of one row back: dh becomes dh * z, the rest comes from dg W_hh.  dg (3H,) holds copies."""
    one, H = dh.dtype.type(1), dh.shape[0]
    dg_r, dg_z, dg_g = dg[:H], dg[H:2 * H], dg[2 * H:]
    for j in range(H):
        d = dh[j] + dout[j]
        a_n = d * (one - z[j]) * (one - n[j] * n[j])
        a_z = d * (h[j] - n[j]) * z[j] * (one - z[j])
        a_r = a_n * g[j] * r[j] * (one - r[j])
        a_g = a_n * r[j]
        da_n[j], da_r[j], da_z[j], dg_n[j] = a_n, a_r, a_z, a_g
        dg_r[j], dg_z[j], dg_g[j] = a_r, a_z, a_g
        dh[j] = d * z[j]


@jit
def gru_rows_backward(dout, gates, g, before, panels, valid, reverse, dh, dg, d):
    """Rows of a batch back through time, on one thread: dh (R, H) goes from the last state to the first.

    before   (R, T, H), the state that each step started from
    panels   W_hh packed
    dg       (R, 3H), room for one step's dg: close together, as the rows of d are not
    d        (R, T, 4H) = da_r, da_z, da_n, da_n * r
    """
    R, T, H = dout.shape
    for step in range(T - 1, -1, -1):
        t = time_of(step, T, reverse)
        for b in range(R):
            if valid.size and not valid[b, t]:
                add_row(dout[b, t], dh[b])
                d[b, t] = 0
                dg[b] = 0
                continue
            i, d_b = gates[b, t], d[b, t]
            gru_gates_backward(dh[b], dout[b, t], i[:H], i[H:2 * H], i[2 * H:], g[b, t], before[b, t],
                               d_b[2 * H:3 * H], d_b[:H], d_b[H:2 * H], d_b[3 * H:], dg[b])
        multiply(dg, panels, dh, 1)


@jit(parallel=True)
def _gru_parts_backward(parts, dout, gates, g, before, panels, valid, reverse, dh, dg, d):
    B = dout.shape[0]
    for part in prange(parts):
        b0, b1 = rows_of(part, parts, B)
        gru_rows_backward(dout[b0:b1], gates[b0:b1], g[b0:b1], before[b0:b1], panels, valid[b0:b1], reverse,
                          dh[b0:b1], dg[b0:b1], d[b0:b1])


def gru_backward(dout, x, h0, w_ih, w_hh, h, gates, g, valid=None, reverse=False, wanted=(True,) * 6, ids=None):
    """dout (B, T, H) and what the forward kept -> dx, dh0, dw_ih, dw_hh, db_ih, db_hh; None if not wanted."""
    B, T, H = h.shape
    d = scratch.take("gru d", B * T * 4 * H, x.dtype).reshape(B, T, 4 * H)
    dg = scratch.take("gru s", B * 3 * H, x.dtype).reshape(B, 3 * H)
    before = recurrence.states_before(h0, h, int(reverse), "gru before")
    dh = np.zeros((B, H), x.dtype)
    _gru_parts_backward(recurrence.parts(B), dout, gates, g, before, packed(w_hh, "gru w_hh"),
                        recurrence.NO_MASK if valid is None else valid, int(reverse), dh, dg, d)
    d = d.reshape(B * T, 4 * H)
    wants_x, wants_h0, wants_w_ih, wants_w_hh, wants_b_ih, wants_b_hh = wanted
    dx, dw_ih, dw_hh = recurrence.products_after(
        d[:, :3 * H], [d[:, :2 * H], d[:, 3 * H:]], x, ids, before, w_ih, wants_x, wants_w_ih, wants_w_hh)
    sums = column_sums(d) if wants_b_ih or wants_b_hh else None
    db_ih = sums[:3 * H].copy() if wants_b_ih else None
    db_hh = np.append(sums[:2 * H], sums[3 * H:]) if wants_b_hh else None
    return dx, dh if wants_h0 else None, dw_ih, dw_hh, db_ih, db_hh


def gru(x, h0, w_ih, w_hh, b_ih=None, b_hh=None, valid=None, reverse=False):
    """The states of a GRU after each step: a Tensor (B, T, H).

    The last one is h[:, -1], or h[:, 0] where reverse.

    x            Tensor (B, T, E)
    h0           Tensor (B, H), the state before the first step
    w_ih, w_hh   Tensors (3H, E) and (3H, H), gates in the order r, z, n
    b_ih, b_hh   Tensors (3H,), or None for no bias
    valid        booleans (B, T), True = real; where False the state carries over
    reverse      walk from the last position to the first

    Raises ValueError for a wrong shape, for different dtypes and for a mask that is not boolean.
    """
    valid = None if valid is None else np.ascontiguousarray(valid)
    given = {"b_ih": b_ih, "b_hh": b_hh}
    sizes = recurrence.check_sequence(
        "gru", valid, x=(x.data, "BTE"), h0=(h0.data, "BH"), w_ih=(w_ih.data, "3H E"),
        w_hh=(w_hh.data, "3H H"), **{name: (b.data, "3H ") for name, b in given.items() if b is not None})
    b_ih, b_hh = (Tensor(np.zeros(3 * sizes["H"], x.dtype)) if b is None else b for b in given.values())
    if on_formulas():
        return gru_formula(x, h0, w_ih, w_hh, b_ih, b_hh, valid, reverse)
    source, ids = table_of(x)
    parents = source, h0, w_ih, w_hh, b_ih, b_hh
    arrays = [np.ascontiguousarray(p.data) for p in parents]
    h, gates, g = gru_forward(*arrays, valid, reverse, saves=recorded(*parents), ids=ids)

    def backward(dh):
        return gru_backward(np.ascontiguousarray(dh), *arrays[:4], h, gates, g, valid, reverse,
                            wanted=[p.requires_grad for p in parents], ids=ids)

    return Tensor.from_op(h, parents, backward)
