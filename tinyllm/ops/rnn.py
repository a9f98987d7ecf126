"""Elman's recurrent network: one layer, one direction, a whole sequence.

Forward, for t = 0, 1, ..., T-1 (T-1, ..., 0 where reverse):

    h' = tanh(W_ih x + b_ih + W_hh h + b_hh)

Backward, going back in time, dh = gradient from the step after + dout[t]:

    d  = dh * (1 - h'^2)         dx = d W_ih      dW_ih += d^T x     db_ih += sum_B d
                                 dh = d W_hh      dW_hh += d^T h     db_hh += sum_B d

Where valid[b, t] is False (padding), h' = h and dh passes through, so the last state of a row is the state
at its true end.  PyTorch's packed sequences give 0 there instead.

W_ih x for all t is one product before the loop, dW_ih, dW_hh and dx are one product each after it; only W_hh
h and d W_hh are inside.  The loop runs once for every part of the batch, each on its own thread.  Where x
comes straight from embedding, and its table has at most half as many rows as there are steps, these products are of the
table: what two steps have in common is computed once.

Shapes: x (B, T, E), h0 (B, H), W_ih (H, E), W_hh (H, H), b_ih and b_hh (H,), h (B, T, H).

Source: Elman 1990.
"""
import numpy as np
from numba import prange

from tinyllm.autograd import Tensor, on_formulas
from tinyllm.kernels import recurrence, scratch
from tinyllm.kernels.elementary import tanh
from tinyllm.kernels.gemm import multiply
from tinyllm.kernels.jit import ELEMENTWISE, jit
from tinyllm.kernels.packing import packed
from tinyllm.kernels.recurrence import copy_row, rows_of, time_of
from tinyllm.kernels.sums import add_row, column_sums
from tinyllm.ops.arrangement import stack, where
from tinyllm.ops.embedding import table_of


def rnn_formula(x, h0, w_ih, w_hh, b_ih, b_hh, valid=None, reverse=False):
    """The formula as the docstring writes it, one step after the other."""
    T = x.shape[1]
    h, states = h0, [None] * T
    for t in reversed(range(T)) if reverse else range(T):
        new = (x[:, t] @ w_ih.T + b_ih + h @ w_hh.T + b_hh).tanh()
        h = new if valid is None else where(valid[:, t:t + 1], new, h)
        states[t] = h
    return stack(states, axis=1)


@jit(fastmath=ELEMENTWISE)
def rnn_cell(a, s, biases, h, out):
    """One step of one row: h becomes h'.  a = W_ih x, s = W_hh h."""
    for j in range(h.shape[0]):
        new = tanh(a[j] + s[j] + biases[j])
        h[j] = new
        out[j] = new


@jit
def rnn_rows(a, biases, panels, h, s, valid, reverse, out):
    """Rows of a batch through time, on one thread: h (R, H) goes from the first state to the last.

    a        (R, T, H), W_ih x
    biases   (H,): b_ih + b_hh
    panels   W_hh^T packed
    s        (R, H), room for W_hh h
    valid    (R, T), or empty where all is valid
    out      (R, T, H)
    """
    R, T, _ = out.shape
    for step in range(T):
        t = time_of(step, T, reverse)
        multiply(h, panels, s, 0)
        for b in range(R):
            if valid.size and not valid[b, t]:
                copy_row(h[b], out[b, t])
            else:
                rnn_cell(a[b, t], s[b], biases, h[b], out[b, t])


@jit(parallel=True)
def _rnn_parts(parts, a, biases, panels, h, s, valid, reverse, out):
    B = out.shape[0]
    for part in prange(parts):
        b0, b1 = rows_of(part, parts, B)
        rnn_rows(a[b0:b1], biases, panels, h[b0:b1], s[b0:b1], valid[b0:b1], reverse, out[b0:b1])


def rnn_forward(x, h0, w_ih, w_hh, b_ih, b_hh, valid=None, reverse=False, ids=None):
    """Arrays -> h (B, T, H), which is all that the backward needs."""
    (B, H), T = h0.shape, (x if ids is None else ids).shape[1]
    a = scratch.take("rnn a", B * T * H, x.dtype).reshape(B, T, H)
    recurrence.product_before(x, ids, w_ih, a)
    h = scratch.take("rnn h", B * H, x.dtype).reshape(B, H)
    s = scratch.take("rnn s", B * H, x.dtype).reshape(B, H)
    h[...] = h0
    out = np.empty((B, T, H), x.dtype)
    _rnn_parts(recurrence.parts(B), a, b_ih + b_hh, packed(w_hh.T, "rnn w_hh"), h, s,
               recurrence.NO_MASK if valid is None else valid, int(reverse), out)
    return out


@jit
def rnn_cell_backward(dh, dout, h, d, step_d):
    """One step of one row back: dh becomes 0, to which d W_hh is added afterwards.  step_d is a copy of d."""
    zero, one = dh.dtype.type(0), dh.dtype.type(1)
    for j in range(dh.shape[0]):
        d_j = (dh[j] + dout[j]) * (one - h[j] * h[j])
        d[j], step_d[j], dh[j] = d_j, d_j, zero


@jit
def rnn_rows_backward(dout, h, panels, valid, reverse, dh, step_d, d):
    """Rows of a batch back through time, on one thread: dh (R, H) goes from the last state to the first.

    h        (R, T, H), the states after each step
    panels   W_hh packed
    step_d   (R, H), room for one step's d: close together, as the rows of d are not
    d        (R, T, H)
    """
    R, T, _ = dout.shape
    for step in range(T - 1, -1, -1):
        t = time_of(step, T, reverse)
        for b in range(R):
            if valid.size and not valid[b, t]:
                add_row(dout[b, t], dh[b])
                d[b, t] = 0
                step_d[b] = 0
            else:
                rnn_cell_backward(dh[b], dout[b, t], h[b, t], d[b, t], step_d[b])
        multiply(step_d, panels, dh, 1)


@jit(parallel=True)
def _rnn_parts_backward(parts, dout, h, panels, valid, reverse, dh, step_d, d):
    B = dout.shape[0]
    for part in prange(parts):
        b0, b1 = rows_of(part, parts, B)
        rnn_rows_backward(dout[b0:b1], h[b0:b1], panels, valid[b0:b1], reverse,
                          dh[b0:b1], step_d[b0:b1], d[b0:b1])


def rnn_backward(dout, x, h0, w_ih, w_hh, h, valid=None, reverse=False, wanted=(True,) * 6, ids=None):
    """dout (B, T, H) and what the forward gave -> dx, dh0, dw_ih, dw_hh, db_ih, db_hh; None if not wanted."""
    B, T, H = h.shape
    d = scratch.take("rnn a", B * T * H, x.dtype).reshape(B, T, H)
    step_d = scratch.take("rnn s", B * H, x.dtype).reshape(B, H)
    dh = np.zeros((B, H), x.dtype)
    _rnn_parts_backward(recurrence.parts(B), dout, h, packed(w_hh, "rnn w_hh"),
                        recurrence.NO_MASK if valid is None else valid, int(reverse), dh, step_d, d)
    before = recurrence.states_before(h0, h, int(reverse), "rnn before")
    d = d.reshape(B * T, H)
    wants_x, wants_h0, wants_w_ih, wants_w_hh, wants_b_ih, wants_b_hh = wanted
    dx, dw_ih, dw_hh = recurrence.products_after(d, [d], x, ids, before, w_ih, wants_x, wants_w_ih, wants_w_hh)
    db = column_sums(d) if wants_b_ih or wants_b_hh else None
    return dx, dh if wants_h0 else None, dw_ih, dw_hh, db, db


def rnn(x, h0, w_ih, w_hh, b_ih=None, b_hh=None, valid=None, reverse=False):
    """The states of a tanh network after each step: a Tensor (B, T, H).

    The last one is h[:, -1], or h[:, 0] where reverse.

    x            Tensor (B, T, E)
    h0           Tensor (B, H), the state before the first step
    w_ih, w_hh   Tensors (H, E) and (H, H)
    b_ih, b_hh   Tensors (H,), or None for no bias
    valid        booleans (B, T), True = real; where False the state carries over
    reverse      walk from the last position to the first

    Raises ValueError for a wrong shape, for different dtypes and for a mask that is not boolean.
    """
    valid = None if valid is None else np.ascontiguousarray(valid)
    given = {"b_ih": b_ih, "b_hh": b_hh}
    sizes = recurrence.check_sequence(
        "rnn", valid, x=(x.data, "BTE"), h0=(h0.data, "BH"), w_ih=(w_ih.data, "HE"), w_hh=(w_hh.data, "HH"),
        **{name: (b.data, "H") for name, b in given.items() if b is not None})
    b_ih, b_hh = (Tensor(np.zeros(sizes["H"], x.dtype)) if b is None else b for b in given.values())
    if on_formulas():
        return rnn_formula(x, h0, w_ih, w_hh, b_ih, b_hh, valid, reverse)
    source, ids = table_of(x)
    parents = source, h0, w_ih, w_hh, b_ih, b_hh
    arrays = [np.ascontiguousarray(p.data) for p in parents]
    h = rnn_forward(*arrays, valid, reverse, ids)

    def backward(dh):
        return rnn_backward(np.ascontiguousarray(dh), *arrays[:4], h, valid, reverse,
                            wanted=[p.requires_grad for p in parents], ids=ids)

    return Tensor.from_op(h, parents, backward)
