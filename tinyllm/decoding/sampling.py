"""Drawing the next token from logits.

For each row of logits x (V,), with a uniform number u in [0, 1), in this order:

    penalty        x[i] = x[i] / penalty where x[i] > 0, else x[i] * penalty       for the ids seen so far
    banned         x[i] = -inf
    temperature    z[i] = (x[i] - max x) / temperature;  temperature 0 takes the largest x and draws nothing
    top_k          keep the first k ids of the order
    top_p          keep the shortest beginning of the order whose probabilities add up to p or more
    draw           w[i] = exp(z[i]) where kept, else 0
                   the first i with w[0] + ... + w[i] > u * (w[0] + ... + w[V-1])

The order is by z, the largest first, and among equal ones by id, the smallest first.  The penalty (Keskar et
al. 2019, CTRL), the order of the steps, and top_p (nucleus sampling, Holtzman et al. 2020) counting the
probabilities that are left after top_k are as in Hugging Face's library.

Everything is a function of u: the random numbers are drawn outside.  All sums run in float64, one number
after the other, so formula and kernel choose the same id, not nearly always but always.

Shapes: logits (B, V) float, u (B,), seen (B, V) bool, banned (V,) bool, ids (B,) int64.
"""
import math
from typing import NamedTuple

import numpy as np

from tinyllm.autograd import on_formulas
from tinyllm.kernels.jit import jit
from tinyllm.ops.softmax import largest
from tinyllm.shapes import check_shapes

NOTHING = -1  # instead of an id, where no logit is finite
INFINITY = np.array(np.inf).view(np.int64).item()  # its bits: above those of every number


class Settings(NamedTuple):
    """How to draw, checked: what compiled code may be given."""

    temperature: float
    top_k: int
    top_p: float
    repetition_penalty: float


def checked_settings(name, vocab_size, temperature=1.0, top_k=None, top_p=None, repetition_penalty=1.0):
    """The Settings for a vocabulary of this size; top_k or top_p None means without.

    Raises ValueError, in the name of the function `name`, for temperature < 0, top_k outside 1..V, top_p
    outside (0, 1] and a penalty that is not above 0; none of them may be nan or infinite.
    """
    if not 0 <= temperature < math.inf:
        raise ValueError(f"{name}: temperature must be at least 0, got {temperature}")
    if top_k is not None and not (1 <= top_k <= vocab_size and top_k == int(top_k)):
        raise ValueError(f"{name}: top_k must be an integer in 1..{vocab_size} (the vocabulary), got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"{name}: top_p must be above 0 and at most 1, got {top_p}")
    if not 0 < repetition_penalty < math.inf:
        raise ValueError(f"{name}: repetition_penalty must be above 0, got {repetition_penalty}")
    return Settings(float(temperature), vocab_size if top_k is None else int(top_k),
                    1.0 if top_p is None else float(top_p), float(repetition_penalty))


def sample_formula(logits, u, settings, seen, banned):
    """The steps as the text above writes them, on sorted rows."""
    temperature, top_k, top_p, penalty = settings
    ids = []
    for x, u_b, seen_b in zip(logits.astype(np.float64), u, seen):
        x = np.where(seen_b, np.where(x > 0, x / penalty, x * penalty), x)
        x[banned] = -np.inf
        if not np.isfinite(x.max()):
            ids.append(NOTHING)
            continue
        if temperature == 0:
            ids.append(x.argmax())
            continue
        z = (x - x.max()) / temperature
        order = np.argsort(-z, kind="stable")
        w = np.array([math.exp(z_i) for z_i in z])  # the kernel's exp; NumPy's differs in the last bit
        w[order[top_k:]] = 0
        if top_p < 1:
            beginning = np.searchsorted(np.cumsum(w[order]), top_p * np.cumsum(w)[-1]) + 1
            w[order[beginning:]] = 0
        c = np.cumsum(w)
        ids.append(np.searchsorted(c, u_b * c[-1], side="right"))
    return np.array(ids, np.int64)


# fastmath=False: a sum whose order the compiler may choose is another sum

@jit(fastmath=False)
def _before(z, a, b):
    """Whether id a stands before id b in the order."""
    return z[a] > z[b] or (z[a] == z[b] and a < b)


@jit(fastmath=False)
def _sink(z, heap, n, i):
    """Move heap[i] down to its place among n ids; on top stands the first of the order."""
    moved = heap[i]
    while 2 * i + 1 < n:
        child = 2 * i + 1
        if child + 1 < n and _before(z, heap[child + 1], heap[child]):
            child += 1
        if not _before(z, heap[child], moved):
            break
        heap[i] = heap[child]
        i = child
    heap[i] = moved


@jit(fastmath=False)
def _keep_top_k(z, k, sizes, kept):
    """Put the first k ids of the order to the front of kept, the smallest first; sizes (V,): room.

    At least k are not below the least of the largest of k groups; few others are.  z <= 0, so the bits of |z|, read as
    integers, are in the order of the ids: the k-th of them is found by halving.
    """
    V, size, least, n = z.shape[0], z.shape[0] // k, 0.0, 0
    for group in range(k):
        least = min(least, largest(z[group * size:(group + 1) * size]))
    for i in range(V):
        kept[n] = i
        n += z[i] >= least
    for j in range(n):
        sizes[j] = abs(z[kept[j]])
    bits = sizes[:n].view(np.int64)
    low, high = np.int64(0), INFINITY
    while low < high:
        middle, within = low + (high - low >> 1), 0
        for j in range(n):
            within += bits[j] <= middle
        if within >= k:
            high = middle
        else:
            low = middle + 1
        if within == k:
            break
    within, equal = 0, k
    for j in range(n):
        equal -= bits[j] < high
    for j in range(n):
        if bits[j] < high or bits[j] == high and equal > 0:
            equal -= bits[j] == high
            kept[within] = kept[j]
            within += 1


@jit(fastmath=False)
def _last_of_top_p(z, w, kept, p, heap):
    """The id at which the probabilities, added in order, reach p; sorts only as far as that, by a heap.

    Ids that all together have less than half of 1 - p cannot be among them, so they do not enter the heap.
    """
    total = 0.0
    for i in kept:
        total += w[i]
    least = (1 - p) * total / (2 * kept.shape[0])
    if 1 - p < 1e-9:
        least = 0.0  # half of 1 - p has to be more than what the sums are rounded by
    n = 0
    for i in kept:
        if w[i] > least:
            heap[n] = i
            n += 1
    for i in range(n // 2 - 1, -1, -1):
        _sink(z, heap, n, i)
    mass = w[heap[0]]
    while mass < p * total and n > 1:
        n -= 1
        heap[0] = heap[n]
        _sink(z, heap, n, 0)
        mass += w[heap[0]]
    return heap[0]


@jit(fastmath=False)
def _keep_to(z, last, kept):
    """Move the ids of kept that do not stand behind `last` to its front; how many they are."""
    n = 0
    for i in kept:
        if not _before(z, last, i):
            kept[n] = i
            n += 1
    return n


@jit(fastmath=False)
def sample_row(x, u, settings, seen, banned, numbers, places):
    """The id drawn from logits x (V,), or NOTHING; numbers (2, V) float64, places (2, V) int64 are room."""
    temperature, top_k, top_p, penalty = settings
    V = x.shape[0]
    z, w, kept, heap = numbers[0], numbers[1], places[0], places[1]
    nans = 0
    for i in range(V):
        x_i = np.float64(x[i])
        if penalty != 1.0 and seen[i]:
            x_i = x_i / penalty if x_i > 0 else x_i * penalty
        if banned[i]:
            x_i = -np.inf
        nans += x_i != x_i
        z[i] = x_i
    top = largest(z)
    if nans or abs(top) == np.inf:
        return NOTHING
    if temperature == 0:
        i = 0
        while z[i] < top:
            i += 1
        return i
    for i in range(V):
        z[i] = (z[i] - top) / temperature
    n = top_k
    if top_k < V:
        _keep_top_k(z, top_k, w, kept)
    else:
        for i in range(V):
            kept[i] = i
    for i in kept[:n]:
        w[i] = math.exp(z[i])
    if top_p < 1:
        n = _keep_to(z, _last_of_top_p(z, w, kept[:n], top_p, heap), kept[:n])
    total = 0.0
    for i in kept[:n]:
        total += w[i]
    c = 0.0
    for i in kept[:n]:
        c += w[i]
        if c > u * total:
            return i
    return NOTHING  # never: u < 1, so the last c is above u * total


@jit(fastmath=False)
def sample_rows(logits, u, settings, seen, banned, ids):
    """ids[b] = the id drawn from logits[b]."""
    B, V = logits.shape
    numbers, places = np.empty((2, V), np.float64), np.empty((2, V), np.int64)
    for b in range(B):
        ids[b] = sample_row(logits[b], u[b], settings, seen[b], banned, numbers, places)


def check_drawn(name, ids):
    """Raise ValueError, in the name of the function `name`, if from some row nothing could be drawn."""
    failed = np.flatnonzero(ids == NOTHING)
    if failed.size:
        raise ValueError(f"{name}: no token can be drawn for row {failed[0]}: its largest logit is not "
                         "finite (nan in the model, or every token banned)")


def sample(logits, u, *, temperature=1.0, top_k=None, top_p=None, repetition_penalty=1.0, seen=None,
           banned=None):
    """One id for each row of logits, an array (B,) of int64.

    logits              array (B, V), float; -inf is never drawn
    u                   (B,), each in [0, 1): the same u gives the same ids
    temperature         0 takes the largest logit, 1 the model's own probabilities, more is more even
    top_k               1..V: draw among the k most probable only; None: all
    top_p               (0, 1]: draw among the most probable that together reach p; None: all
    repetition_penalty  above 1 makes the ids of `seen` less probable, 1 changes nothing
    seen                bool (B, V): the ids that the penalty concerns; needed where the penalty is not 1
    banned              bool (V,): ids that are never drawn

    Raises ValueError for a wrong shape or value, and for a row whose largest logit is not finite.
    """
    logits, u = np.asarray(logits), np.asarray(u, np.float64)
    sizes = check_shapes("sample", logits=(logits, "BV"), u=(u, "B"))
    if logits.dtype.kind != "f" or sizes["V"] < 1:
        raise ValueError(f"sample: logits must be floats with V >= 1, got {logits.dtype} {logits.shape}")
    settings = checked_settings("sample", sizes["V"], temperature, top_k, top_p, repetition_penalty)
    if not ((u >= 0) & (u < 1)).all():
        raise ValueError(f"sample: u must be in [0, 1), got {u[~((u >= 0) & (u < 1))][0]}")
    if seen is None and settings.repetition_penalty != 1:
        raise ValueError("sample: seen must be given where repetition_penalty is not 1, got None")
    seen = np.zeros(logits.shape, bool) if seen is None else np.ascontiguousarray(seen)
    banned = np.zeros(sizes["V"], bool) if banned is None else np.ascontiguousarray(banned)
    check_shapes("sample", logits=(logits, "BV"), seen=(seen, "BV"), banned=(banned, "V"))
    for name, mask in (("seen", seen), ("banned", banned)):
        if mask.dtype != bool:
            raise ValueError(f"sample: {name} must be bool, got {mask.dtype}")
    with np.errstate(over="ignore"):  # near temperature 0 all but the largest become -inf, as they should
        if on_formulas():
            ids = sample_formula(logits, u, settings, seen, banned)
        else:
            ids = np.empty(sizes["B"], np.int64)
            sample_rows(np.ascontiguousarray(logits), u, settings, seen, banned, ids)
    check_drawn("sample", ids)
    return ids
