"""Writing token by token: what is drawn becomes what is read next.

    logits = step(state, ids)            (B, V); step moves the state one token further
    ids    = sample(logits, u)           (B,)

and again.  Only step knows the model.  The uniform numbers come as one row of B for each token, so drawing n
rows at once is the same stream, and a kernel that does n rounds of the loop by itself (`loop`) gives the same
tokens.
"""
from typing import NamedTuple

import numpy as np

from tinyllm.decoding.sampling import Settings, checked_settings, sample

LONGEST = 64  # tokens that a loop writes at once; it begins with 1, 2, 4, ... so that nobody waits


class Drawing(NamedTuple):
    """What every round of the loop needs besides logits; seen and ended are brought up to date in place.

    settings  Settings
    banned    bool (V,): ids that are never drawn
    seen      bool (B, V): ids of the prompt and of what was drawn, for the repetition penalty
    ended     bool (B,): rows that have drawn stop_id; they give stop_id from then on
    stop_id   the id that ends a row, -1: none
    """

    settings: Settings
    banned: np.ndarray
    seen: np.ndarray
    ended: np.ndarray
    stop_id: int


def steps(step, state, ids, u, drawing):
    """The plain loop: for each row of u (n, B) one step and one draw; yields n arrays of ids (B,)."""
    for u_t in u:
        ids = sample(step(state, ids), u_t, **drawing.settings._asdict(),
                     seen=drawing.seen, banned=drawing.banned)
        ids[drawing.ended] = drawing.stop_id
        drawing.ended[ids == drawing.stop_id] = True
        drawing.seen[np.arange(len(ids)), ids] = True
        yield ids


def generate(step, state, prompt_ids, *, vocab_size, max_tokens, rng, temperature=1.0, top_k=None,
             top_p=None, repetition_penalty=1.0, stop_id=None, banned=(), read=None, loop=None):
    """An iterator over the tokens that follow the prompts: up to max_tokens arrays (B,), as they are drawn.

    step        step(state, ids (B,)) -> logits array (B, V), moving the state on by one token
    state       as it is before the prompts; it is moved on, but need not have read the last token drawn; where the
                iterator ends early, a loop may have moved it on beyond that
    prompt_ids  integers (B, P), P >= 1, each in 0..V-1
    vocab_size  V
    max_tokens  at least 1
    rng         a NumPy Generator; may be None at temperature 0
    stop_id     a row that draws this id gives it from then on; when all rows have, the iterator ends
    banned      ids that are never drawn
    read        read(state, ids (B, P - 1)): moves the state on over the prompts without their last token, all at
                once; left out, step does it one by one
    loop        loop(state, ids (B,), u (n, B), drawing) -> ids (n, B): n rounds of the loop at once

    temperature, top_k, top_p and repetition_penalty are those of `sample`; the prompt counts as seen.

    The same rng gives the same tokens with and without loop.  Raises ValueError for a wrong value, before any
    step.
    """
    prompt_ids = np.asarray(prompt_ids)
    if prompt_ids.ndim != 2 or prompt_ids.size == 0:
        raise ValueError(f"generate: prompt_ids must be (B, P), none of them 0, got shape {prompt_ids.shape}")
    settings = checked_settings("generate", vocab_size, temperature, top_k, top_p, repetition_penalty)
    check_ids("generate", "prompt_ids", prompt_ids, vocab_size)
    banned_ids = np.asarray(banned, None if len(banned) else np.int64)
    check_ids("generate", "banned", banned_ids, vocab_size)
    if len(np.unique(banned_ids)) == vocab_size:
        raise ValueError(f"generate: banned must leave an id to draw, got all {vocab_size}")
    if stop_id is not None:
        check_ids("generate", "stop_id", np.asarray(stop_id), vocab_size)
        if stop_id in banned_ids:
            raise ValueError(f"generate: stop_id must not be banned, got {stop_id}")
    if not (1 <= max_tokens < np.inf and max_tokens == int(max_tokens)):
        raise ValueError(f"generate: max_tokens must be an integer of at least 1, got {max_tokens}")
    if not (isinstance(rng, np.random.Generator) or rng is None and settings.temperature == 0):
        raise TypeError(f"generate: rng must be a NumPy Generator, got {type(rng).__name__}")

    B = len(prompt_ids)
    drawing = Drawing(settings, np.zeros(vocab_size, bool), np.zeros((B, vocab_size), bool),
                      np.zeros(B, bool), -1 if stop_id is None else int(stop_id))
    drawing.banned[banned_ids] = True
    drawing.seen[np.arange(B)[:, None], prompt_ids] = True
    return _tokens(step, state, prompt_ids.astype(np.int64), int(max_tokens), rng, drawing, read, loop)


def check_ids(function, name, ids, vocab_size):
    """Ids are checked before compiled code sees them."""
    if ids.dtype.kind not in "iu":
        raise ValueError(f"{function}: {name} must be integers, got {ids.dtype}")
    wrong = ids[(ids < 0) | (ids >= vocab_size)]
    if wrong.size:
        raise ValueError(f"{function}: {name} must be in 0..{vocab_size - 1}, got {wrong.flat[0]}")


def _tokens(step, state, prompt_ids, max_tokens, rng, drawing, read, loop):
    """The iterator that generate returns."""
    begin = prompt_ids[:, :-1]
    if read is None:
        for ids in begin.T:
            step(state, ids)
    elif begin.size:
        read(state, begin)
    ids, written, size = prompt_ids[:, -1], 0, 1
    while written < max_tokens:
        n = min(size, max_tokens - written)
        u = np.zeros((n, len(ids))) if rng is None else rng.random((n, len(ids)))
        for ids in loop(state, ids, u, drawing) if loop else steps(step, state, ids, u, drawing):
            yield ids
            if drawing.stop_id >= 0 and (ids == drawing.stop_id).all():
                return
        written, size = written + n, min(2 * size, LONGEST)
