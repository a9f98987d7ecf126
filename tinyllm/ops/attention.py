"""Scaled dot-product attention: each query takes a mean of the values, weighted by how well the keys fit it.

Forward, for each head:

    s = q k^T / sqrt(D)         -inf where the mask is False
    w = softmax(s)              over S; the kernel keeps log-sum-exp per row and computes w again backward
    o = w v

Backward:

    dv = w^T do
    dw = do v^T
    ds = w * (dw - sum_S(dw * w))            0 where w is 0, so the mask needs no case of its own
    dq = ds k / sqrt(D)         dk = ds^T q / sqrt(D)

The kernel takes ROWS queries of one head at a time against all keys that they may see: a strip of ROWS x S
scores is all that ever exists, so memory grows linearly with T and S.  With causal=True a strip ends where
its last row does.  The log-sum-exp is kept as its two parts, m = max q k^T and
Z = sum exp((q k^T - m) / sqrt(D)): where scores are large, the digits of log Z would be lost in the sum.

One (b, head) is one task and one thread's: its dk and dv are shared with nobody, and the results have the
same bits for any number of threads.  A query alone against the same keys has the bits that it has among
others: attend is what generation calls with one row.

Shapes: q (B, T, A D), k (B, S, A D), v (B, S, A E), o (B, T, A E): the heads are consecutive blocks of
columns; the kernels see (B T, columns) and where the columns of k and v begin.  Vaswani et al. 2017.
"""
import math

import numpy as np
from numba import prange

from tinyllm.autograd import Tensor, no_grad, on_formulas
from tinyllm.kernels.gemm import multiply
from tinyllm.kernels.jit import jit
from tinyllm.kernels.packing import pack
from tinyllm.kernels.recurrence import NO_MASK
from tinyllm.kernels.tile import WIDTH
from tinyllm.ops.arithmetic import as_tensor
from tinyllm.ops.softmax import (
    dot, exponentials, exponentials_again, fill, hide, multiply_by, scores_gradient, softmax_formula)
from tinyllm.shapes import check_floats, check_shapes

ROWS = 32  # queries at a time: enough for the product, and little is computed beyond the diagonal
PAD = 32  # a row of scores is worked on in whole vectors, -inf beyond its end


def attention_formula(q, k, v, num_heads=1, mask=None):
    """softmax(q k^T / sqrt(D)) v for each head; mask (B, T, S)."""
    o = weights_formula(q, k, num_heads, mask) @ _split(v, num_heads)
    return o.swapaxes(1, 2).reshape(*q.shape[:2], v.shape[-1])


def weights_formula(q, k, num_heads=1, mask=None):
    """softmax(q k^T / sqrt(D)): (B, A, T, S)."""
    q, k = _split(q, num_heads), _split(k, num_heads)
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    return softmax_formula(scores, None if mask is None else mask[:, None])


def _split(x, num_heads):
    """(B, T, A D) as (B, A, T, D)."""
    return x.reshape(*x.shape[:2], num_heads, x.shape[-1] // num_heads).swapaxes(1, 2)


@jit
def attend(q, k_panels, v_panels, seen, step, allowed, allowed_step, strip, out, m, Z):
    """A few queries of one head: out (R, E), m (R,) and Z (R,) of q (R, D).

    k_panels, v_panels  k^T (D, S) and v (S, E) as packing.pack packs them
    seen, step          row r sees the keys 0..seen + r * step - 1: step 1 for causal, else 0
    allowed             booleans: of these, only where allowed[r * allowed_step] is True; (0, 0): all of them
    strip               room for R rows of S numbers, rounded up to PAD
    """
    R, D = q.shape
    last, dtype = seen + (R - 1) * step, strip.dtype.type
    factor = dtype(1 / np.sqrt(D))
    multiply(q, k_panels[:(last + WIDTH - 1) // WIDTH, :], strip[:R, :last], 0)
    for r in range(R):
        n = seen + r * step
        padded = (n + PAD - 1) // PAD * PAD
        row = strip[r]
        if allowed.size:
            hide(row[:n], allowed[r * allowed_step])
        fill(row[n:padded], dtype(-np.inf))
        m[r], Z[r] = exponentials(row[:padded], factor)
        multiply_by(row[:padded], dtype(1) / Z[r])
        fill(row[padded:last], dtype(0))
    multiply(strip[:R, :last], v_panels[:, :last], out, 0)


@jit
def add_transposed(w, x, room, out, adds):
    """out (last, D) (+)= w^T x for w (R, last), x (R, D); room for x packed."""
    R, P = w.shape[0], (x.shape[1] + WIDTH - 1) // WIDTH
    panels = room[:P * R * WIDTH].reshape((P, R, WIDTH))
    pack(x, panels)
    multiply(w.T, panels[:, :R], out, adds)


@jit
def attend_backward(dout, q, k_panels, v_panels, keys, seen, step, allowed, allowed_step, m, Z, w, dw, room,
                    dq, dk, dv, adds):
    """The gradients of attend: dq (R, D), and what these queries add to dk and dv (put there, if adds is 0).

    k_panels, v_panels, keys  k^T (D, S), v^T (E, S) and k (S, D) as packing.pack packs them
    w, dw                     two strips; room: for R rows of q or of dout, packed
    """
    R, D = q.shape
    last, dtype = seen + (R - 1) * step, w.dtype.type
    factor, P = dtype(1 / np.sqrt(D)), (last + WIDTH - 1) // WIDTH
    multiply(q, k_panels[:P, :], w[:R, :last], 0)
    multiply(dout, v_panels[:P, :], dw[:R, :last], 0)
    for r in range(R):
        n = seen + r * step
        padded = (n + PAD - 1) // PAD * PAD
        row, drow = w[r], dw[r]
        if allowed.size:
            hide(row[:n], allowed[r * allowed_step])
        fill(row[n:padded], dtype(-np.inf))
        fill(drow[n:padded], dtype(0))
        exponentials_again(row[:padded], factor, m[r], dtype(1) / Z[r])
        scores_gradient(drow[:padded], row[:padded], dot(drow[:padded], row[:padded]), factor)
        fill(row[padded:last], dtype(0))
        fill(drow[padded:last], dtype(0))
    multiply(dw[:R, :last], keys[:, :last], dq, 0)
    add_transposed(w[:R, :last], dout, room, dv[:last], adds)
    add_transposed(dw[:R, :last], q, room, dk[:last], adds)


@jit(parallel=True)
def _forward_tasks(q, k, v, begins, sizes, causal, allowed, allowed_rows, out, m, Z):
    """out (B T, A E), m and Z (B A, T); begins: the first columns of k and v in their arrays."""
    (k0, v0), (T, S, A, D, E) = begins, sizes
    for task in prange(m.shape[0]):
        b, a = task // A, task % A
        k_panels = np.empty(((S + WIDTH - 1) // WIDTH, D, WIDTH), q.dtype)
        v_panels = np.empty(((E + WIDTH - 1) // WIDTH, S, WIDTH), q.dtype)
        strip = np.empty((ROWS, (S + PAD - 1) // PAD * PAD), q.dtype)
        pack(k[b * S:(b + 1) * S, k0 + a * D:k0 + (a + 1) * D].T, k_panels)
        pack(v[b * S:(b + 1) * S, v0 + a * E:v0 + (a + 1) * E], v_panels)
        for first in range(0, T, ROWS):
            end = min(T, first + ROWS)
            seen = first + S - T + 1 if causal else S
            shown = b * allowed_rows + (first if allowed_rows > 1 else 0)
            attend(q[b * T + first:b * T + end, a * D:(a + 1) * D], k_panels, v_panels,
                   seen, causal, allowed[shown:], int(allowed_rows > 1), strip,
                   out[b * T + first:b * T + end, a * E:(a + 1) * E], m[task, first:end], Z[task, first:end])


@jit(parallel=True)
def _backward_tasks(dout, q, k, v, begins, sizes, causal, allowed, allowed_rows, m, Z, dq, dk, dv):
    """dq, dk, dv in the places of q, k, v; the last queries first, because they see all keys."""
    (k0, v0), (T, S, A, D, E) = begins, sizes
    for task in prange(m.shape[0]):
        b, a = task // A, task % A
        k_panels = np.empty(((S + WIDTH - 1) // WIDTH, D, WIDTH), q.dtype)
        v_panels = np.empty(((S + WIDTH - 1) // WIDTH, E, WIDTH), q.dtype)
        keys = np.empty(((D + WIDTH - 1) // WIDTH, S, WIDTH), q.dtype)
        w = np.empty((ROWS, (S + PAD - 1) // PAD * PAD), q.dtype)
        dw = np.empty_like(w)
        room = np.empty((max(D, E) + WIDTH - 1) // WIDTH * WIDTH * ROWS, q.dtype)
        q_columns = slice(a * D, (a + 1) * D)
        k_columns, v_columns = slice(k0 + a * D, k0 + (a + 1) * D), slice(v0 + a * E, v0 + (a + 1) * E)
        pack(k[b * S:(b + 1) * S, k_columns].T, k_panels)
        pack(v[b * S:(b + 1) * S, v_columns].T, v_panels)
        pack(k[b * S:(b + 1) * S, k_columns], keys)
        for first in range((T - 1) // ROWS * ROWS, -1, -ROWS):
            end = min(T, first + ROWS)
            seen = first + S - T + 1 if causal else S
            shown = b * allowed_rows + (first if allowed_rows > 1 else 0)
            attend_backward(dout[b * T + first:b * T + end, a * E:(a + 1) * E],
                            q[b * T + first:b * T + end, q_columns], k_panels, v_panels, keys,
                            seen, causal, allowed[shown:], int(allowed_rows > 1),
                            m[task, first:end], Z[task, first:end], w, dw, room,
                            dq[b * T + first:b * T + end, q_columns], dk[b * S:(b + 1) * S, k_columns],
                            dv[b * S:(b + 1) * S, v_columns], int(end < T))


def attention_forward(q, k, v, begins, sizes, causal, allowed, allowed_rows):
    """q, k, v (rows, columns), where k and v begin, (T, S, A, D, E)  ->  out (B T, A E), m and Z (B A, T).

    allowed       booleans (B, S), one row a batch row for all its queries, or (B T, S); (0, 0) hides nothing
    allowed_rows  how many of its rows belong to a batch row: 1, T or 0
    """
    T, S, A, D, E = sizes
    out, (m, Z) = np.empty((len(q), A * E), q.dtype), np.empty((2, len(q) // T * A, T), q.dtype)
    _forward_tasks(q, k, v, begins, sizes, int(causal), allowed, allowed_rows, out, m, Z)
    return out, m, Z


def attention_backward(dout, q, k, v, begins, sizes, causal, allowed, allowed_rows, m, Z):
    """dout (B T, A E), what the forward had, m and Z  ->  dq, dk, dv; one array where theirs are one."""
    dq = np.empty_like(q)
    dk = dq if k is q else np.empty_like(k)
    dv = dk if v is k else np.empty_like(v)
    _backward_tasks(dout, q, k, v, begins, sizes, int(causal), allowed, allowed_rows, m, Z, dq, dk, dv)
    return dq, dk, dv


def attention(q, k, v, *, num_heads=1, causal=False, valid=None, mask=None):
    """What each query takes from the values: a Tensor (B, T, A E).

    q          Tensor (B, T, A D)
    k, v       Tensors (B, S, A D) and (B, S, A E)
    num_heads  A; the heads are consecutive blocks of columns
    causal     query t sees the keys 0..t + S - T (the ends are aligned), needs S >= T
    valid      boolean (B, S): False hides a key from all queries (padding)
    mask       boolean (B, T, S): False hides a key from one query

    Raises ValueError for shapes that do not fit and for a query that may see nothing, naming the first
    (b, t).
    """
    sizes = check_shapes("attention", q=(q.data, "BTD"), k=(k.data, "BSD"), v=(v.data, "BSE"))
    check_floats("attention", q=q.data, k=k.data, v=v.data)
    sizes, allowed = _checked("attention", sizes, num_heads, causal, valid, mask)
    if on_formulas():
        return attention_formula(q, k, v, num_heads, _whole_mask(sizes, causal, allowed))
    arrays = [np.ascontiguousarray(x.data).reshape(-1, x.shape[-1]) for x in (q, k, v)]
    return _run((q, k, v), arrays, (0, 0), sizes, causal, allowed)


def self_attention(qkv, *, num_heads=1, causal=False, valid=None, mask=None):
    """attention(q, k, v, ...) of q | k | v side by side in one Tensor (B, T, 3 A D).

    Raises ValueError as attention does.
    """
    sizes = check_shapes("self_attention", qkv=(qkv.data, "B T 3D"))
    check_floats("self_attention", qkv=qkv.data)
    H = sizes["D"]
    sizes = {**sizes, "S": sizes["T"], "E": H}
    sizes, allowed = _checked("self_attention", sizes, num_heads, causal, valid, mask)
    if on_formulas():
        q, k, v = (qkv[:, :, i * H:(i + 1) * H] for i in range(3))
        return attention_formula(q, k, v, num_heads, _whole_mask(sizes, causal, allowed))
    rows = np.ascontiguousarray(qkv.data).reshape(-1, 3 * H)
    return _run((qkv,), [rows] * 3, (H, 2 * H), sizes, causal, allowed)


def cross_attention(q, kv, *, num_heads=1, valid=None):
    """attention(q, k, v, ...) of q (B, T, A D) and k | v side by side in one Tensor (B, S, 2 A D).

    Raises ValueError as attention does.
    """
    sizes = check_shapes("cross_attention", q=(q.data, "BTD"), kv=(kv.data, "B S 2D"))
    check_floats("cross_attention", q=q.data, kv=kv.data)
    H = sizes["D"]
    sizes, allowed = _checked("cross_attention", {**sizes, "E": H}, num_heads, False, valid, None)
    if on_formulas():
        return attention_formula(q, kv[:, :, :H], kv[:, :, H:], num_heads, _whole_mask(sizes, False, allowed))
    q_rows, rows = (np.ascontiguousarray(x.data).reshape(-1, x.shape[-1]) for x in (q, kv))
    return _run((q, kv), (q_rows, rows, rows), (0, H), sizes, False, allowed)


def attention_weights(q, k, *, num_heads=1, causal=False, valid=None, mask=None):
    """The weights that attention(q, k, ...) gives each key: an array (B, A, T, S), for pictures.

    Arguments and errors as attention; q and k may be arrays.
    """
    q, k = as_tensor(q), as_tensor(k)
    sizes = check_shapes("attention_weights", q=(q.data, "BTD"), k=(k.data, "BSD"))
    check_floats("attention_weights", q=q.data, k=k.data)
    sizes, allowed = _checked("attention_weights", {**sizes, "E": sizes["D"]}, num_heads, causal, valid, mask)
    with no_grad():
        return weights_formula(q, k, num_heads, _whole_mask(sizes, causal, allowed)).data


def _run(parents, arrays, begins, sizes, causal, allowed):
    """The kernel's forward, and its backward in the graph."""
    B, T, S, A, D, E = sizes
    seen = (NO_MASK, 0) if allowed is None else (allowed.reshape(-1, S), allowed.shape[1])
    out, m, Z = attention_forward(*arrays, begins, sizes[1:], causal, *seen)

    def backward(dout):
        dout = np.ascontiguousarray(dout).reshape(out.shape)
        gradients = attention_backward(dout, *arrays, begins, sizes[1:], causal, *seen, m, Z)
        return tuple(d.reshape(p.shape) for d, p in zip(gradients, parents))

    return Tensor.from_op(out.reshape(B, T, A * E), parents, backward)


def _checked(op, sizes, num_heads, causal, valid, mask):
    """(B, T, S, A, D, E), D and E per head; valid and mask as one array (B, 1 or T, S), or None."""
    B, T, S, D, E = (sizes[letter] for letter in "BTSDE")
    for name, size in (("q", D), ("v", E)):
        if num_heads < 1 or size % num_heads:
            raise ValueError(f"{op}: num_heads must divide the {size} columns of {name}, got {num_heads}")
    if 0 in (T, S, D, E):
        raise ValueError(f"{op}: T, S and the columns must be > 0, got T = {T}, S = {S}, columns {D}")
    if causal and S < T:
        raise ValueError(f"{op}: causal needs S >= T, got T = {T}, S = {S}")
    allowed = None
    for name, given, shape in (("valid", valid, (B, S)), ("mask", mask, (B, T, S))):
        if given is not None:
            given = np.array(given, order="C")  # a copy: it may change before the backward
            if given.dtype != np.bool_ or given.shape != shape:
                raise ValueError(f"{op}: {name} must be boolean of shape {shape}, "
                                 f"got {given.dtype} of shape {given.shape}")
            given = given[:, None] if name == "valid" else given
            allowed = given if allowed is None else allowed & given
    if allowed is not None:
        blind = ~allowed.any(axis=2)
        if causal:
            blind = blind | (allowed.argmax(axis=2) > np.arange(T) + S - T)
        if blind.any():
            b, t = np.argwhere(blind)[0]
            raise ValueError(f"{op}: every query must see a key, got none for (b, t) = ({b}, {t})")
    return (B, T, S, num_heads, D // num_heads, E // num_heads), allowed


def _whole_mask(sizes, causal, allowed):
    """What the formula needs: (B, T, S), or None."""
    B, T, S = sizes[:3]
    if causal:
        allowed = np.tri(T, S, S - T, dtype=np.bool_) & (True if allowed is None else allowed)
    return None if allowed is None else np.broadcast_to(allowed, (B, T, S))
