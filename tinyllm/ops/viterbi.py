"""Viterbi's algorithm (1967): the best path of a linear-chain CRF, of which crf.py has the scores.

best[t, c] is the score of the best path as far as t that ends in c: the forward algorithm with max in the
place of log-sum-exp,

    best[0, c] = s[c] + x[0, c]
    came[t, c] = argmax_k (best[t-1, k] + w[k, c])               the first k of several
    best[t, c] = max_k (best[t-1, k] + w[k, c]) + x[t, c]

The best last tag is argmax_c (best[L-1, c] + e[c]); the others follow backward: y_(t-1) = came[t, y_t].
What is forbidden scores -inf.  Every row is one thread's, and is the same alone or among others.

Shapes: emissions x (B, T, C), lengths L (B,), transitions w (C, C) from row to column, start s, end e (C,).
"""
import numpy as np
from numba import prange

from tinyllm.kernels import scratch
from tinyllm.kernels.jit import jit
from tinyllm.kernels.recurrence import copy_row
from tinyllm.kernels.sums import add_row
from tinyllm.ops.crf import checked_lengths
from tinyllm.ops.softmax import fill


@jit
def _best_step(best, w, arrived, came):
    """arrived[c] = max_k (best[k] + w[k, c]), and in came (C,) that k."""
    C = best.shape[0]
    fill(arrived, best.dtype.type(-np.inf))
    for c in range(C):
        came[c] = 0
    for k in range(C):
        best_k, w_k, this = best[k], w[k], np.int32(k)
        for c in range(C):
            score = best_k + w_k[c]
            better = score > arrived[c]
            arrived[c] = score if better else arrived[c]
            came[c] = this if better else came[c]


@jit(parallel=True)
def _best_rows(x, lengths, w, s, e, room, came, path, scores):
    """path (B, T) as far as the lengths, and scores (B,); room (B, 2, C), came (B, T, C) int32."""
    for b in prange(x.shape[0]):
        best, arrived, L = room[b, 0], room[b, 1], lengths[b]
        copy_row(s, best)
        add_row(x[b, 0], best)
        for t in range(1, L):
            _best_step(best, w, arrived, came[b, t])
            copy_row(arrived, best)
            add_row(x[b, t], best)
        add_row(e, best)
        tag = np.argmax(best)
        scores[b] = best[tag]
        path[b, L - 1] = tag
        for t in range(L - 1, 0, -1):
            tag = came[b, t, tag]
            path[b, t - 1] = tag


def best_paths(x, w, s, e, lengths):
    """x (B, T, C), w (C, C), s and e (C,), lengths (B,)  ->  path (B, T), 0 from L on, and its score (B,)."""
    (B, T, C), path, scores = x.shape, np.zeros(x.shape[:2], np.int64), np.empty(len(x), x.dtype)
    room = scratch.take("viterbi", B * 2 * C, x.dtype).reshape(B, 2, C)
    came = scratch.take("viterbi came", B * T * C, np.int32).reshape(B, T, C)
    _best_rows(x, lengths, w, s, e, room, came, path, scores)
    return path, scores


def viterbi(emissions, transitions, start, end, valid=None, allowed_start=None, allowed=None):
    """The best path of every row: ids (B, T), 0 where not valid, and its score (B,).

    emissions, transitions, start, end, valid    as in crf_nll, but arrays of finite numbers
    allowed_start   booleans (C,): False forbids to begin with a tag
    allowed         booleans (C, C): False forbids a tag (row) to be followed by a tag (column)

    Of several best paths, the one with the lower tag at the last position where they differ.

    Raises ValueError for what crf_nll rules out, for numbers that are not finite, for masks that do not fit
    and for a row that no allowed path goes through.
    """
    x, w, s, e = (np.ascontiguousarray(a) for a in (emissions, transitions, start, end))
    lengths = checked_lengths("viterbi", x, w, s, e, valid)
    for name, array in zip(("emissions", "transitions", "start", "end"), (x, w, s, e)):
        if not np.isfinite(array).all():
            raise ValueError(f"viterbi: {name} must be finite, got {array[~np.isfinite(array)][0]}")
    w, s = _forbid("allowed", allowed, w), _forbid("allowed_start", allowed_start, s)
    path, scores = best_paths(x, w, s, e, lengths)
    closed = np.isneginf(scores)
    if closed.any():
        row = closed.argmax()
        raise ValueError(f"viterbi: allowed must leave every row a path, got none of length {lengths[row]} "
                         f"for row {row}")
    return path, scores


def _forbid(name, allowed, scores):
    """The scores, -inf where allowed is False; ValueError for a mask of another kind or shape."""
    if allowed is None:
        return scores
    allowed = np.asarray(allowed)
    if allowed.dtype != np.bool_ or allowed.shape != scores.shape:
        raise ValueError(f"viterbi: {name} must be boolean of shape {scores.shape}, "
                         f"got {allowed.dtype} of shape {allowed.shape}")
    return np.where(allowed, scores, scores.dtype.type(-np.inf))
