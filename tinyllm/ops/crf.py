"""Linear-chain conditional random field (Lafferty, McCallum, Pereira 2001): a row's tags scored as a whole.

A path y of tags through the L positions of a row has the score and the probability

    score(y) = s[y_0] + sum_t x[t, y_t] + sum_(t > 0) w[y_(t-1), y_t] + e[y_(L-1)]
    p(y)     = exp(score(y)) / Z              Z = sum of exp(score) over all C^L paths

and the row's loss is -log p(y) = log Z - score(y), in nats.

Forward (the forward algorithm): a[t, c] is the log of the sum over the paths as far as t that end in c,

    a[0, c] = s[c] + x[0, c]
    z[t, c] = log sum_k exp(a[t-1, k] + w[k, c])
    a[t, c] = z[t, c] + x[t, c]
    log Z   = log sum_c exp(a[L-1, c] + e[c])

Every log-sum-exp takes its maximum out first, so no exp overflows.  The kernel takes the maximum of a[t] out
as well and adds these up in float64, so that a long row loses no digits; it keeps z.

Backward: the gradient of log-sum-exp is softmax, and that of log Z are the probabilities of tags and of pairs
of tags under all paths.  Back in time,

    p[L-1, c]  = exp(a[L-1, c] + e[c] - log Z)                      of tag c at the end
    q[t, k, c] = p[t, c] exp(a[t-1, k] + w[k, c] - z[t, c])         of k, then c at t
    p[t-1, k]  = sum_c q[t, k, c]                                   of k at t-1

and each counts minus what the gold path has; times dloss of the row, added up over rows for w, s and e:

    dx[t, c] = p[t, c] - [y_t = c]       dw[k, c] = sum_t (q[t, k, c] - [y_(t-1) = k, y_t = c])
    ds[c]    = dx[0, c]                  de[c]    = dx[L-1, c]

The usual backward algorithm computes b with p = exp(a + b - log Z) instead, by a second log-sum-exp.

Marginals: how likely each tag is at each position, whatever the others are, is p itself,

    p[t, c] = d log Z / d x[t, c] = dx[t, c] + [y_t = c]            whatever path y is, with dloss = 1; here tag 0

A row is one thread's, and dw runs over chunks of CHUNK rows, then over the chunks in order: the same bits for
any number of threads.  Positions from L on (padding) have no part in anything, and gradient 0.  The best path
is viterbi.py's.

Shapes: emissions x and z (B, T, C), tags y (B, T), lengths L (B,), transitions w (C, C) from row to column,
start s and end e (C,).
"""
import numpy as np
from numba import prange

from tinyllm.autograd import Tensor, on_formulas, recording
from tinyllm.kernels import scratch
from tinyllm.kernels.elementary import exp
from tinyllm.kernels.jit import jit
from tinyllm.kernels.recurrence import copy_row
from tinyllm.kernels.sums import add_row
from tinyllm.ops.arrangement import where
from tinyllm.ops.softmax import exponentials, fill, largest, multiply_by
from tinyllm.shapes import check_floats, check_shapes

CHUNK = 4  # rows that a task takes


def _log_sum_exp(x, axis):
    """log sum exp x over an axis."""
    m = x.data.max(axis=axis, keepdims=True)
    return (x - m).exp().sum(axis=axis).log() + m.squeeze(axis)


def crf_formula(emissions, tags, transitions, start, end, lengths):
    """log Z - score(y) of every row, one step after the other."""
    B, T, C = emissions.shape
    rows, times = np.arange(B), np.arange(T)
    real, a = times < lengths[:, None], start + emissions[:, 0]
    for t in range(1, T):
        z = _log_sum_exp(a.reshape(B, C, 1) + transitions, axis=1)
        a = where(real[:, t:t + 1], z + emissions[:, t], a)
    score = (start[tags[:, 0]] + where(real, emissions[rows[:, None], times, tags], 0.0).sum(axis=1)
             + where(real[:, 1:], transitions[tags[:, :-1], tags[:, 1:]], 0.0).sum(axis=1)
             + end[tags[rows, lengths - 1]])
    return _log_sum_exp(a + end, axis=1) - score


@jit
def _add_without_maximum(z, x, a):
    """a (C,) = z + x minus the maximum of that, which is returned."""
    for c in range(a.shape[0]):
        a[c] = z[c] + x[c]
    m = largest(a)
    for c in range(a.shape[0]):
        a[c] -= m
    return m


@jit
def _ways(a, w, z, u):
    """u[k C + c] = exp(a[k] + w[k, c] - z[c])."""
    C = a.shape[0]
    for k in range(C):
        a_k, w_k, u_k = a[k], w[k], u[k * C:k * C + C]
        for c in range(C):
            u_k[c] = a_k + w_k[c] - z[c]
    for i in range(C * C):  # a loop of its own: rows of C numbers are shorter than the vectors
        u[i] = exp(u[i])


@jit
def _step(a, w, m, u, z):
    """z (C,) from a (C,) of the step before; m (C,) and u (C * C,) are room."""
    C = a.shape[0]
    fill(m, a.dtype.type(-np.inf))
    for k in range(C):
        a_k, w_k = a[k], w[k]
        for c in range(C):
            s = a_k + w_k[c]
            m[c] = s if s > m[c] else m[c]
    _ways(a, w, m, u)
    fill(z, a.dtype.type(0))
    for k in range(C):
        add_row(u[k * C:k * C + C], z)
    for c in range(C):
        z[c] = np.log(z[c]) + m[c]


@jit
def _row_forward(x, y, L, w, s, e, a, m, u, z):
    """The loss of one row in float64, and z (T, C) as far as L; a and m (C,), u (C * C,) are room."""
    copy_row(s, z[0])
    log_z = np.float64(_add_without_maximum(z[0], x[0], a))
    score = np.float64(s[y[0]]) + np.float64(x[0, y[0]])
    for t in range(1, L):
        _step(a, w, m, u, z[t])
        log_z += np.float64(_add_without_maximum(z[t], x[t], a))
        score += np.float64(w[y[t - 1], y[t]]) + np.float64(x[t, y[t]])
    add_row(e, a)
    largest_a, total = exponentials(a, a.dtype.type(1))
    return log_z + np.float64(largest_a) + np.log(np.float64(total)) - score - np.float64(e[y[L - 1]])


@jit
def _row_backward(dloss, x, y, L, w, e, z, a, p, u, dx, dw):
    """dx (T, C) of one row as far as L; its share is added to dw; a and p (C,), u (C * C,) are room."""
    C, zero = x.shape[1], x.dtype.type(0)
    _add_without_maximum(z[L - 1], x[L - 1], p)
    add_row(e, p)
    _, total = exponentials(p, x.dtype.type(1))
    multiply_by(p, dloss / total)
    for t in range(L - 1, 0, -1):
        copy_row(p, dx[t])
        dx[t, y[t]] -= dloss
        _add_without_maximum(z[t - 1], x[t - 1], a)
        _ways(a, w, z[t], u)
        for k in range(C):
            u_k, dw_k, p_k = u[k * C:k * C + C], dw[k], zero
            for c in range(C):
                q = p[c] * u_k[c]
                dw_k[c] += q
                p_k += q
            a[k] = p_k  # of the step before, when this one is done
        copy_row(a, p)
        dw[y[t - 1], y[t]] -= dloss
    copy_row(p, dx[0])
    dx[0, y[0]] -= dloss


@jit(parallel=True)
def _forward_rows(x, y, lengths, w, s, e, room, z, losses):
    """losses (B,) in float64 and z (B, T, C); room (chunks, 2 C + C C)."""
    B, T, C = x.shape
    for chunk in prange(room.shape[0]):
        a, m, u = room[chunk, :C], room[chunk, C:2 * C], room[chunk, 2 * C:]
        for b in range(chunk * CHUNK, min(B, (chunk + 1) * CHUNK)):
            losses[b] = _row_forward(x[b], y[b], lengths[b], w, s, e, a, m, u, z[b])


@jit(parallel=True)
def _backward_rows(dloss, x, y, lengths, w, e, z, room, dx, partial):
    """dx (B, T, C), and in partial (chunks, C, C) the sums of each chunk for dw."""
    B, T, C = x.shape
    for chunk in prange(room.shape[0]):
        a, p, u = room[chunk, :C], room[chunk, C:2 * C], room[chunk, 2 * C:]
        dw = partial[chunk]
        dw[:] = 0
        for b in range(chunk * CHUNK, min(B, (chunk + 1) * CHUNK)):
            _row_backward(dloss[b], x[b], y[b], lengths[b], w, e, z[b], a, p, u, dx[b], dw)


def _room(x):
    """What _forward_rows and _backward_rows need for each chunk of x (B, T, C)."""
    B, T, C = x.shape
    chunks, size = (B + CHUNK - 1) // CHUNK, 2 * C + C * C
    return scratch.take("crf", chunks * size, x.dtype).reshape(chunks, size)


def crf_forward(x, y, w, s, e, lengths):
    """x (B, T, C), y (B, T), w (C, C), s and e (C,), lengths (B,)  ->  losses (B,), z (B, T, C)."""
    z, losses = np.empty_like(x), np.empty(len(x))
    _forward_rows(x, y, lengths, w, s, e, _room(x), z, losses)
    return losses.astype(x.dtype), z


def crf_backward(dloss, x, y, w, e, lengths, z):
    """dL/dlosses (B,) and what the forward had and gave  ->  dx (B, T, C), dw (C, C), ds and de (C,)."""
    C, dx, room = x.shape[2], np.zeros_like(x), _room(x)
    partial = scratch.take("crf dw", len(room) * C * C, x.dtype).reshape(len(room), C, C)
    _backward_rows(dloss, x, y, lengths, w, e, z, room, dx, partial)
    ends = dx[np.arange(len(x)), lengths - 1]
    return dx, np.add.reduce(partial, axis=0), dx[:, 0].sum(axis=0), ends.sum(axis=0)


def crf_nll(emissions, tags, transitions, start, end, valid=None):
    """The negative log-likelihood of each row's tags in nats: a Tensor (B,), >= 0 but for rounding.

    emissions    Tensor (B, T, C), the score of every tag at every position
    tags         integers (B, T), each in 0..C-1 where valid; the others are not looked at
    transitions  Tensor (C, C), the score of a tag (row) followed by a tag (column)
    start, end   Tensors (C,), the scores of the first and of the last tag
    valid        booleans (B, T), True = real: a row begins with its real positions, at least one

    Raises ValueError for shapes that do not fit, dtypes that differ, tags that are no integers or outside
    0..C-1, and a mask that is not boolean, or has a gap or no True in a row.
    """
    tags, parents = np.asarray(tags), (emissions, transitions, start, end)
    lengths = checked_lengths("crf_nll", *(p.data for p in parents), valid)
    T, C = emissions.shape[1:]
    check_shapes("crf_nll", emissions=(emissions.data, "BTC"), tags=(tags, "BT"))
    if tags.dtype.kind not in "iu":
        raise ValueError(f"crf_nll: tags must be integers, got {tags.dtype}")
    y = np.where(np.arange(T) < lengths[:, None], tags, 0)
    wrong = y[(y < 0) | (y >= C)]
    if wrong.size:  # compiled code does not check bounds
        raise ValueError(f"crf_nll: tags must be in 0..{C - 1} where valid, got {wrong[0]}")
    y = y.astype(np.int64, order="C")
    if on_formulas():
        return crf_formula(emissions, y, transitions, start, end, lengths)
    x, w, s, e = (np.ascontiguousarray(p.data) for p in parents)
    losses, z = crf_forward(x, y, w, s, e, lengths)

    def backward(dloss):
        return crf_backward(np.ascontiguousarray(dloss), x, y, w, e, lengths, z)

    return Tensor.from_op(losses, parents, backward)


def checked_lengths(op, emissions, transitions, start, end, valid):
    """The lengths (B,) of the rows, or ValueError in the name of op for arrays or a mask that do not fit."""
    valid = None if valid is None else np.asarray(valid)
    masked = {} if valid is None else {"valid": (valid, "BT")}
    B, T, C = check_shapes(op, emissions=(emissions, "BTC"), transitions=(transitions, "CC"),
                           start=(start, "C"), end=(end, "C"), **masked).values()
    check_floats(op, emissions=emissions, transitions=transitions, start=start, end=end)
    if T < 1 or C < 1:
        raise ValueError(f"{op}: emissions must be (B, T, C) with T, C > 0, got shape {emissions.shape}")
    if valid is None:
        return np.full(B, T)
    if valid.dtype != np.bool_:
        raise ValueError(f"{op}: valid must be boolean, got {valid.dtype}")
    lengths = valid.sum(axis=1)
    gaps = (valid != (np.arange(T) < lengths[:, None])).any(axis=1)
    for what, rows in (("none", lengths == 0), ("a gap", gaps)):
        if rows.any():
            raise ValueError(f"{op}: valid must begin every row with its real positions, at least one, "
                             f"got {what} in row {rows.argmax()}")
    return lengths


def crf_marginals(emissions, transitions, start, end, valid=None):
    """The probability of each tag at each position under all paths: (B, T, C), 0 where not valid.

    The arguments are crf_nll's, but arrays, and so are the errors.
    """
    checked_lengths("crf_marginals", *map(np.asarray, (emissions, transitions, start, end)), valid)
    x, tags = Tensor(emissions, requires_grad=True), np.zeros(np.shape(emissions)[:2], np.int64)
    with recording():
        crf_nll(x, tags, Tensor(transitions), Tensor(start), Tensor(end), valid).sum().backward()
    p = x.grad
    p[..., 0] += 1 if valid is None else valid
    return np.clip(p, 0, 1)  # beyond by rounding
