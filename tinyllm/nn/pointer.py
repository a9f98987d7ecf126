"""Where in a source the next token may be copied from, and how probable it is that one is.

    a[t, s] = softmax over s of (W_q h[t] + b_q) . (W_k m[s] + b_k) / sqrt(H)
    u[t]    = w h[t] + b                                                        sigmoid(u): no copy

ops/copy_mixture.py makes one distribution of both.  See, Liu and Manning 2017.
"""
import math

import numpy as np

from tinyllm.nn.layers import Linear
from tinyllm.nn.module import Module
from tinyllm.ops.softmax import softmax


class Pointer(Module):
    """h asks, the memory m shows where; who asks many times keeps keys(memory).

    features         H, of h
    memory_features  M, of the memory
    """

    def __init__(self, features, memory_features, *, rng, dtype=np.float32):
        self.q = Linear(features, features, rng=rng, dtype=dtype)
        self.k = Linear(memory_features, features, rng=rng, dtype=dtype)
        self.gate = Linear(features, 1, rng=rng, dtype=dtype)

    def keys(self, memory):
        """memory (B, S, M) -> (B, S, H)."""
        return self.k(memory)

    def forward(self, h, keys, valid=None):
        """h (B, T, H), keys (B, S, H), valid (B, S) True = may be copied -> a (B, T, S), u (B, T)."""
        scores = self.q(h) @ keys.swapaxes(1, 2) / math.sqrt(h.shape[-1])
        mask = None if valid is None else np.asarray(valid)[:, None]
        return softmax(scores, mask=mask), self.gate(h).reshape(h.shape[:2])
