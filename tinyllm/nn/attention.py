"""Self-attention with its projections."""
import numpy as np

from tinyllm.autograd import Tensor
from tinyllm.nn.layers import Linear
from tinyllm.nn.module import Module
from tinyllm.ops.arrangement import concatenate
from tinyllm.ops.attention import attention, self_attention


class SelfAttention(Module):
    """W_o attention(W_q x, W_k x, W_v x) + b_o with num_heads heads; the three projections are one Linear, qkv."""

    def __init__(self, features, num_heads, *, rng, dtype=np.float32):
        if num_heads < 1 or features % num_heads:
            raise ValueError(
                f"SelfAttention: num_heads must divide the number of features, got {num_heads} and {features}")
        self.num_heads = num_heads
        self.qkv = Linear(features, 3 * features, rng=rng, dtype=dtype)
        self.out = Linear(features, features, rng=rng, dtype=dtype)

    def forward(self, x, *, causal=False, valid=None, mask=None, past=None):
        """x (B, T, H) -> (B, T, H).

        causal  position t sees 0..t (and all of the past)
        valid   (B, T) True = may be seen;  mask (B, T, T) likewise, for each query its own
        past    a KeyValues: earlier positions are seen as well, and these are added to it
        """
        qkv = self.qkv(x)
        H = x.shape[-1]
        if past is None or not len(past):
            mixed = self_attention(qkv, num_heads=self.num_heads, causal=causal, valid=valid, mask=mask)
        elif valid is not None or mask is not None:
            raise ValueError("SelfAttention: a past goes with causal alone, not with valid or mask")
        else:
            k = concatenate([Tensor(past.keys()), qkv[:, :, H:2 * H]], axis=1)
            v = concatenate([Tensor(past.values()), qkv[:, :, 2 * H:]], axis=1)
            mixed = attention(qkv[:, :, :H], k, v, num_heads=self.num_heads, causal=causal)
        if past is not None:
            past.append(qkv.data[:, :, H:2 * H], qkv.data[:, :, 2 * H:])
        return self.out(mixed)


class KeyValues:
    """The keys and values of earlier positions, at most `context` of them (None: all), for a batch of B rows.

    room  (2, B, positions, H): keys and values, of which first..end are in use
    """

    def __init__(self, batch, features, context=None, dtype=np.float32):
        self.context = context
        self.room = np.zeros((2, batch, 0, features), dtype)
        self.first = self.end = 0

    def __len__(self):
        return self.end - self.first

    def keys(self):
        """(B, S, H), a copy: the room is written again later."""
        return self.room[0, :, self.first:self.end].copy()

    def values(self):
        """(B, S, H), a copy."""
        return self.room[1, :, self.first:self.end].copy()

    def reserve(self, positions):
        """Make room for so many more positions."""
        if self.end + positions > self.room.shape[2]:
            kept = len(self)
            bigger = np.zeros((*self.room.shape[:2], 2 * (kept + positions), self.room.shape[3]), self.room.dtype)
            bigger[:, :, :kept] = self.room[:, :, self.first:self.end]
            self.room, self.first, self.end = bigger, 0, kept

    def select(self, rows):
        """Become these rows (R,), in this order; a row may be left out, or stand several times."""
        self.room = np.take(self.room, rows, axis=1)

    def append(self, k, v):
        """Add k and v (B, T, H) at the end; what lies beyond the context is let go."""
        T = k.shape[1]
        if self.context is not None:
            T = min(T, self.context)
            k, v = k[:, k.shape[1] - T:], v[:, v.shape[1] - T:]
        self.reserve(T)
        self.room[0, :, self.end:self.end + T] = k
        self.room[1, :, self.end:self.end + T] = v
        self.end += T
        if self.context is not None:
            self.first = max(self.first, self.end - self.context)
