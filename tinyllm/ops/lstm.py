"""Long short-term memory: one layer, one direction, a whole sequence.

Forward, for t = 0, 1, ..., T-1 (T-1, ..., 0 where reverse), gates in the order i, f, g, o:

    i, f, o = sigmoid(...)     g = tanh(...)     each of W_i. x + b_i. + W_h. h + b_h.
    c' = f * c + i * g         h' = o * tanh(c')                        kept per step: h, c, i, f, g, o

Backward, going back in time, dh and dc = gradients from the step after + dout[t]:

    da_o = dh * tanh(c') * o * (1 - o)           dc += dh * o * (1 - tanh(c')^2)
    da_i = dc * g * i * (1 - i)
    da_f = dc * c * f * (1 - f)
    da_g = dc * i * (1 - g^2)                    dc = dc * f
    d    = [da_i, da_f, da_g, da_o]              dx = d W_ih      dW_ih += d^T x     db_ih += sum_B d
                                                 dh = d W_hh      dW_hh += d^T h     db_hh += sum_B d

Where valid[b, t] is False (padding), h' = h and c' = c, and dh and dc pass through, so the last state of a
row is the state at its true end.  PyTorch's packed sequences give 0 there instead.

W_ih x for all t is one product before the loop, dW_ih, dW_hh and dx are one product each after it; only W_hh
h and d W_hh are inside.  The loop runs once for every part of the batch, each on its own thread.  Where x
comes straight from embedding, and its table has at most half as many rows as there are steps, these products are of the
table: what two steps have in common is computed once.

Shapes: x (B, T, E), h0 and c0 (B, H), W_ih (4H, E), W_hh (4H, H), b_ih and b_hh (4H,),
out (2, B, T, H) = h, c.

This is PyTorch's cell: Hochreiter, Schmidhuber 1997 with the forget gate of Gers et al. 2000; no peepholes.
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


def lstm_formula(x, h0, c0, w_ih, w_hh, b_ih, b_hh, valid=None, reverse=False):
    """The formula as the docstring writes it, one step after the other."""
    T, H = x.shape[1], h0.shape[1]
    h, c, states, cells = h0, c0, [None] * T, [None] * T
    for t in reversed(range(T)) if reverse else range(T):
        a = x[:, t] @ w_ih.T + b_ih + h @ w_hh.T + b_hh
        i, f, o = (a[:, k * H:(k + 1) * H].sigmoid() for k in (0, 1, 3))
        g = a[:, 2 * H:3 * H].tanh()
        new_c = f * c + i * g
        new_h = o * new_c.tanh()
        if valid is None:
            h, c = new_h, new_c
        else:
            real = valid[:, t:t + 1]
            h, c = where(real, new_h, h), where(real, new_c, c)
        states[t], cells[t] = h, c
    return stack([stack(states, axis=1), stack(cells, axis=1)], axis=0)


@jit(fastmath=ELEMENTWISE)
def lstm_gates(i, f, g, o, s_i, s_f, s_g, s_o, b_i, b_f, b_g, b_o, h, c, h_out, c_out):
    """One step of one row: h, c become h', c'.  s = W_hh h; i, f, g, o come as W_ih x and go as gates."""
    for j in range(h.shape[0]):
        i_j = sigmoid(i[j] + s_i[j] + b_i[j])
        f_j = sigmoid(f[j] + s_f[j] + b_f[j])
        g_j = tanh(g[j] + s_g[j] + b_g[j])
        o_j = sigmoid(o[j] + s_o[j] + b_o[j])
        new_c = f_j * c[j] + i_j * g_j
        new_h = o_j * tanh(new_c)
        i[j], f[j], g[j], o[j] = i_j, f_j, g_j, o_j
        h[j], c[j] = new_h, new_c
        h_out[j], c_out[j] = new_h, new_c


@jit
def lstm_rows(gates, biases, panels, h, c, s, valid, reverse, h_out, c_out):
    """Rows of a batch through time, on one thread: h and c (R, H) go from the first state to the last.

    gates          (R, T, 4H): W_ih x when it comes, i, f, g, o when it goes
    biases         (4H,): b_ih + b_hh
    panels         W_hh^T packed
    s              (R, 4H), room for W_hh h
    valid          (R, T), or empty where all is valid
    h_out, c_out   (R, T, H)
    """
    R, T, H = h_out.shape
    b_i, b_f, b_g, b_o = biases[:H], biases[H:2 * H], biases[2 * H:3 * H], biases[3 * H:]
    for step in range(T):
        t = time_of(step, T, reverse)
        multiply(h, panels, s, 0)
        for b in range(R):
            if valid.size and not valid[b, t]:
                copy_row(h[b], h_out[b, t])
                copy_row(c[b], c_out[b, t])
                continue
            a, s_b = gates[b, t], s[b]
            lstm_gates(a[:H], a[H:2 * H], a[2 * H:3 * H], a[3 * H:],
                       s_b[:H], s_b[H:2 * H], s_b[2 * H:3 * H], s_b[3 * H:],
                       b_i, b_f, b_g, b_o, h[b], c[b], h_out[b, t], c_out[b, t])


@jit(parallel=True)
def _lstm_parts(parts, gates, biases, panels, h, c, s, valid, reverse, out):
    B = out.shape[1]
    for part in prange(parts):
        b0, b1 = rows_of(part, parts, B)
        lstm_rows(gates[b0:b1], biases, panels, h[b0:b1], c[b0:b1], s[b0:b1], valid[b0:b1], reverse,
                  out[0, b0:b1], out[1, b0:b1])


def lstm_forward(x, h0, c0, w_ih, w_hh, b_ih, b_hh, valid=None, reverse=False, saves=True, ids=None):
    """Arrays -> out (2, B, T, H) = h, c, and for the backward gates (B, T, 4H) = i, f, g, o.

    Without saves, gates is room from the pool.
    """
    (B, H), T = h0.shape, (x if ids is None else ids).shape[1]
    if saves:
        gates = np.empty((B, T, 4 * H), x.dtype)
    else:
        gates = scratch.take("lstm gates", B * T * 4 * H, x.dtype).reshape(B, T, 4 * H)
    recurrence.product_before(x, ids, w_ih, gates)
    h = scratch.take("lstm h", B * H, x.dtype).reshape(B, H)
    c = scratch.take("lstm c", B * H, x.dtype).reshape(B, H)
    s = scratch.take("lstm s", B * 4 * H, x.dtype).reshape(B, 4 * H)
    h[...], c[...] = h0, c0
    out = np.empty((2, B, T, H), x.dtype)
    _lstm_parts(recurrence.parts(B), gates, b_ih + b_hh, packed(w_hh.T, "lstm w_hh"), h, c, s,
                recurrence.NO_MASK if valid is None else valid, int(reverse), out)
    return out, gates


@jit
def lstm_gates_backward(dh, dh_out, dc, dc_out, i, f, g, o, c_before, c, da_i, da_f, da_g, da_o, d):
    """One step of one row back: dc becomes dc * f, dh 0 until d W_hh comes.  d (4H,) holds copies."""
    zero, one, H = dh.dtype.type(0), dh.dtype.type(1), dh.shape[0]
    d_i, d_f, d_g, d_o = d[:H], d[H:2 * H], d[2 * H:3 * H], d[3 * H:]
    for j in range(H):
        tanh_c = tanh(c[j])
        dh_j = dh[j] + dh_out[j]
        dc_j = dc[j] + dc_out[j] + dh_j * o[j] * (one - tanh_c * tanh_c)
        a_o = dh_j * tanh_c * o[j] * (one - o[j])
        a_i = dc_j * g[j] * i[j] * (one - i[j])
        a_f = dc_j * c_before[j] * f[j] * (one - f[j])
        a_g = dc_j * i[j] * (one - g[j] * g[j])
        da_i[j], da_f[j], da_g[j], da_o[j] = a_i, a_f, a_g, a_o
        d_i[j], d_f[j], d_g[j], d_o[j] = a_i, a_f, a_g, a_o
        dh[j], dc[j] = zero, dc_j * f[j]


@jit
def lstm_rows_backward(dout_h, dout_c, gates, c0, c, panels, valid, reverse, dh, dc, step_d, d):
    """Rows of a batch back through time, on one thread: dh, dc (R, H) go from the last state to the first.

    c        (R, T, H), the cells after each step; c0 (R, H) before the first
    panels   W_hh packed
    step_d   (R, 4H), room for one step's d: close together, as the rows of d are not
    d        (R, T, 4H) = da_i, da_f, da_g, da_o
    """
    R, T, H = c.shape
    for step in range(T - 1, -1, -1):
        t = time_of(step, T, reverse)
        for b in range(R):
            if valid.size and not valid[b, t]:
                add_row(dout_h[b, t], dh[b])
                add_row(dout_c[b, t], dc[b])
                d[b, t] = 0
                step_d[b] = 0
                continue
            a, d_b = gates[b, t], d[b, t]
            c_before = c0[b] if step == 0 else c[b, time_of(step - 1, T, reverse)]
            lstm_gates_backward(dh[b], dout_h[b, t], dc[b], dout_c[b, t],
                                a[:H], a[H:2 * H], a[2 * H:3 * H], a[3 * H:], c_before, c[b, t],
                                d_b[:H], d_b[H:2 * H], d_b[2 * H:3 * H], d_b[3 * H:], step_d[b])
        multiply(step_d, panels, dh, 1)


@jit(parallel=True)
def _lstm_parts_backward(parts, dout, gates, c0, c, panels, valid, reverse, dh, dc, step_d, d):
    B = c.shape[0]
    for part in prange(parts):
        b0, b1 = rows_of(part, parts, B)
        lstm_rows_backward(dout[0, b0:b1], dout[1, b0:b1], gates[b0:b1], c0[b0:b1], c[b0:b1], panels,
                           valid[b0:b1], reverse, dh[b0:b1], dc[b0:b1], step_d[b0:b1], d[b0:b1])


def lstm_backward(dout, x, h0, c0, w_ih, w_hh, out, gates, valid=None, reverse=False, wanted=(True,) * 7, ids=None):
    """dout (2, B, T, H) and what the forward kept -> dx, dh0, dc0, dw_ih, dw_hh, db_ih, db_hh.

    None stands for a gradient that is not wanted.
    """
    _, B, T, H = out.shape
    d = scratch.take("lstm d", B * T * 4 * H, x.dtype).reshape(B, T, 4 * H)
    step_d = scratch.take("lstm s", B * 4 * H, x.dtype).reshape(B, 4 * H)
    dh, dc = np.zeros((B, H), x.dtype), np.zeros((B, H), x.dtype)
    _lstm_parts_backward(recurrence.parts(B), dout, gates, c0, out[1], packed(w_hh, "lstm w_hh"),
                         recurrence.NO_MASK if valid is None else valid, int(reverse), dh, dc, step_d, d)
    before = recurrence.states_before(h0, out[0], int(reverse), "lstm before")
    d = d.reshape(B * T, 4 * H)
    wants_x, wants_h0, wants_c0, wants_w_ih, wants_w_hh, wants_b_ih, wants_b_hh = wanted
    dx, dw_ih, dw_hh = recurrence.products_after(d, [d], x, ids, before, w_ih, wants_x, wants_w_ih, wants_w_hh)
    db = column_sums(d) if wants_b_ih or wants_b_hh else None
    return dx, dh if wants_h0 else None, dc if wants_c0 else None, dw_ih, dw_hh, db, db


def lstm(x, h0, c0, w_ih, w_hh, b_ih=None, b_hh=None, valid=None, reverse=False):
    """The states of an LSTM after each step: a Tensor (2, B, T, H), [0] is h and [1] is c.

    The last ones stand at [:, :, -1], or at [:, :, 0] where reverse.

    x            Tensor (B, T, E)
    h0, c0       Tensors (B, H), the state before the first step
    w_ih, w_hh   Tensors (4H, E) and (4H, H), gates in the order i, f, g, o
    b_ih, b_hh   Tensors (4H,), or None for no bias
    valid        booleans (B, T), True = real; where False the state carries over
    reverse      walk from the last position to the first

    Raises ValueError for a wrong shape, for different dtypes and for a mask that is not boolean.
    """
    valid = None if valid is None else np.ascontiguousarray(valid)
    given = {"b_ih": b_ih, "b_hh": b_hh}
    sizes = recurrence.check_sequence(
        "lstm", valid, x=(x.data, "BTE"), h0=(h0.data, "BH"), c0=(c0.data, "BH"), w_ih=(w_ih.data, "4H E"),
        w_hh=(w_hh.data, "4H H"), **{name: (b.data, "4H ") for name, b in given.items() if b is not None})
    b_ih, b_hh = (Tensor(np.zeros(4 * sizes["H"], x.dtype)) if b is None else b for b in given.values())
    if on_formulas():
        return lstm_formula(x, h0, c0, w_ih, w_hh, b_ih, b_hh, valid, reverse)
    source, ids = table_of(x)
    parents = source, h0, c0, w_ih, w_hh, b_ih, b_hh
    arrays = [np.ascontiguousarray(p.data) for p in parents]
    out, gates = lstm_forward(*arrays, valid, reverse, saves=recorded(*parents), ids=ids)

    def backward(dout):
        return lstm_backward(np.ascontiguousarray(dout), *arrays[:5], out, gates, valid, reverse,
                             wanted=[p.requires_grad for p in parents], ids=ids)

    return Tensor.from_op(out, parents, backward)
