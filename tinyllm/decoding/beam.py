"""Beam search: the few likeliest texts so far are all written on, and the best that ends is taken.

    score(y) = sum_t log p(y[t] | y[0], ..., y[t-1]) / n ^ length_penalty      n tokens, the stop token is one

Length penalty 0 compares probabilities, which fall with every token and so favour what is short; 1 compares
the mean per token.  (Wu et al. 2016 divide by ((5 + n) / 6) ^ length_penalty.)

At each step the candidates of a sentence are all of its texts with every id behind them:

    the `beam` best that do not end in the stop token are written on
    those that do, and are among the `beam` best of all, have ended

A sentence is done when the best that has ended cannot be overtaken (a sum s only falls, so it never scores
above s / max_tokens ^ length_penalty), or when `beam` texts have ended and none that is being written scores
more, so far, than the best of them.  With beam 1 this is greedy decoding.

All texts of all sentences are rows of one step.  A sentence that is done leaves the batch.

Shapes: B sentences of which b are not done, W texts each (W <= beam), logits (b W, V), K candidates of a row.
"""
import math

import numpy as np
from numba import prange

from tinyllm.autograd import on_formulas
from tinyllm.decoding.generate import check_ids
from tinyllm.kernels.jit import jit
from tinyllm.ops.cross_entropy import sum_exp
from tinyllm.ops.softmax import largest
from tinyllm.shapes import check_shapes


def likeliest_formula(logits, k, banned):
    """log softmax(x), of each row the k largest."""
    x = logits.astype(np.float64)
    m = x.max(axis=1, keepdims=True)
    log_p = x - m - np.log(np.exp(x - m).sum(axis=1, keepdims=True))
    ids = np.argsort(np.where(banned, np.inf, -x), axis=1, kind="stable")[:, :k]
    return np.where(banned[ids], -np.inf, np.take_along_axis(log_p, ids, axis=1)), ids


@jit
def _k_largest(x, banned, values, ids):
    """values and ids (K,) become the largest of x (V,), in order, of equal ones the first -> how many."""
    K, n = values.shape[0], 0
    least = -np.inf
    for v in range(x.shape[0]):
        if (x[v] > least or n < K) and not banned[v]:
            place = min(n, K - 1)
            while place > 0 and x[v] > values[place - 1]:
                values[place], ids[place] = values[place - 1], ids[place - 1]
                place -= 1
            values[place], ids[place] = x[v], v
            n = min(n + 1, K)
            least = values[n - 1]
    return n


@jit(parallel=True)
def _likeliest_rows(logits, banned, values, ids):
    for r in prange(logits.shape[0]):
        x, values_r = logits[r], values[r]
        n = _k_largest(x, banned, values_r, ids[r])
        m = largest(x)
        log_z = np.log(np.float64(sum_exp(x, m)))
        for i in range(n):
            values_r[i] = values_r[i] - np.float64(m) - log_z


def likeliest(logits, k, banned):
    """The k ids of the largest log-probability in each row, the largest first and of equal ones the lower id.

    logits  (N, V), float
    banned  bool (V,): ids that are left out; the probabilities of the others are not made larger for that

    Returns log-probabilities (N, k) in nats, float64, and ids (N, k); -inf where fewer than k are not banned.
    """
    if on_formulas():
        return likeliest_formula(logits, k, banned)
    values, ids = np.full((len(logits), k), -np.inf), np.zeros((len(logits), k), np.int64)
    _likeliest_rows(np.ascontiguousarray(logits), banned, values, ids)
    return values, ids


def _candidates(sums, values, tokens):
    """The candidates of each sentence, best first: their sums, the rows they write on, their last tokens.

    sums (b, W); values and tokens (b W, K)  ->  three arrays (b, W K)
    """
    (b, W), K = sums.shape, values.shape[1]
    totals = (sums[:, :, None] + values.reshape(b, W, K)).reshape(b, W * K)
    order = np.argsort(-totals, axis=1, kind="stable")
    return (np.take_along_axis(totals, order, axis=1), np.arange(b)[:, None] * W + order // K,
            np.take_along_axis(tokens.reshape(b, W * K), order, axis=1))


def beam_search(step, state, first_ids, *, beam, max_tokens, stop_id, vocab_size, length_penalty=1.0,
                banned=()):
    """For each of B sentences the texts that ended, a list of (ids, score) of at most `beam`, best first.

    step            step(state, ids (N,)) -> logits array (N, V), moving the state on by one token
    state           as it is before the first ids, with B rows; it is moved on.  state.select(rows (N,)) makes
                    it the state of these rows, in this order; a row may be left out or stand several times
    first_ids       integers (B,): what the first step reads (BOS)
    beam            how many texts of a sentence are written on
    max_tokens      how many tokens a text may have, the stop token counted: a number, or one a sentence (B,)
    stop_id         the id that ends a text; it is not among the ids that are returned
    vocab_size      V
    length_penalty  at least 0, see the module's text
    banned          ids that are never written

    Where none of a sentence's texts ends within max_tokens, those that were not ended are returned.  No
    sentence's result depends on another.  Raises ValueError for a wrong value, and for logits that are nan.
    """
    first_ids, limits, banned = _checked(first_ids, beam, max_tokens, stop_id, vocab_size, length_penalty,
                                         banned)
    B, k = len(first_ids), min(beam + 1, vocab_size)  # beam that go on, should one of them be the stop token
    found, live, n = [[] for _ in range(B)], np.arange(B), 0
    ids, sums, written = first_ids, np.zeros((B, 1)), np.zeros((B, 0), np.int64)
    while len(live):
        n += 1
        values, tokens = likeliest(step(state, ids), k, banned)
        totals, rows, tokens = _candidates(sums, values, tokens)
        stuck = np.isnan(totals).any(axis=1) | (totals[:, 0] == -np.inf)
        if stuck.any():
            raise ValueError(f"beam_search: no token can follow in sentence {live[stuck][0]}: a logit is not "
                             "a number, or every id is banned")
        stops = tokens == stop_id
        for s, c in np.argwhere(stops[:, :beam] & (totals[:, :beam] > -np.inf)):
            found[live[s]].append((written[rows[s, c]].copy(), totals[s, c] / n ** length_penalty))
        onward = np.argsort(stops, axis=1, kind="stable")[:, :beam]
        sums = np.take_along_axis(np.where(stops, -np.inf, totals), onward, axis=1)
        rows, tokens = np.take_along_axis(rows, onward, axis=1), np.take_along_axis(tokens, onward, axis=1)

        best = np.array([max((score for _, score in found[b]), default=-np.inf) for b in live])
        full = np.array([len(found[b]) >= beam for b in live])
        going = sums[:, 0] / np.where(full, n, limits[live]) ** length_penalty > best
        for s in np.flatnonzero(going & (limits[live] == n) & (best == -np.inf)):
            found[live[s]] = [(np.append(written[row], token), total / n ** length_penalty)
                              for row, token, total in zip(rows[s], tokens[s], sums[s]) if total > -np.inf]
        going &= limits[live] > n
        live, sums, rows, ids = live[going], sums[going], rows[going].reshape(-1), tokens[going].reshape(-1)
        if len(live) and not np.array_equal(rows, np.arange(len(written))):
            state.select(rows)
        written = np.concatenate([written[rows], ids[:, None]], axis=1)
    return [sorted(texts, key=lambda text: -text[1])[:beam] for texts in found]


def _checked(first_ids, beam, max_tokens, stop_id, vocab_size, length_penalty, banned):
    """first_ids (B,), max_tokens (B,), banned (V,) bool; or a ValueError."""
    name, first_ids, limits = "beam_search", np.asarray(first_ids), np.asarray(max_tokens)
    check_shapes(name, first_ids=(first_ids, "B"))
    check_ids(name, "first_ids", first_ids, vocab_size)
    check_ids(name, "stop_id", np.asarray(stop_id), vocab_size)
    banned = np.asarray(banned, None if len(banned) else np.int64)
    check_ids(name, "banned", banned, vocab_size)
    if stop_id in banned:
        raise ValueError(f"{name}: stop_id must not be banned, got {stop_id}")
    if not (isinstance(beam, (int, np.integer)) and beam >= 1):
        raise ValueError(f"{name}: beam must be an integer of at least 1, got {beam}")
    if limits.dtype.kind not in "iu" or limits.shape not in ((), first_ids.shape) or (limits < 1).any():
        raise ValueError(f"{name}: max_tokens must be an integer of at least 1, or one for each sentence, "
                         f"got {max_tokens}")
    if not 0 <= length_penalty < math.inf:
        raise ValueError(f"{name}: length_penalty must be at least 0, got {length_penalty}")
    return (first_ids.astype(np.int64), np.broadcast_to(limits, first_ids.shape),
            np.isin(np.arange(vocab_size), banned))
