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

    What is here is never written again, so that it can be handed out as it is.  What is added stays a piece of its own
    until the whole is asked for.

    changes  a number that is another after each change: who keeps the same in another form compares it
    """

    def __init__(self, batch, features, context=None, dtype=np.float32):
        self.context, self.changes, self.dtype = context, 0, np.dtype(dtype)
        self._pieces = [np.zeros((2, batch, 0, features), dtype)]

    def __len__(self):
        held = sum(piece.shape[2] for piece in self._pieces)
        return held if self.context is None else min(held, self.context)

    @property
    def shape(self):
        """(B, S, H)."""
        return self._pieces[0].shape[1], len(self), self._pieces[0].shape[3]

    def both(self):
        """Keys and values, (2, B, S, H), not to be written."""
        if len(self._pieces) > 1:
            joined = np.concatenate(self._pieces, axis=2)
            self._pieces = [np.ascontiguousarray(joined[:, :, joined.shape[2] - len(self):])]
        return self._pieces[0]

    def keys(self):
        """(B, S, H), not to be written."""
        return self.both()[0]

    def values(self):
        """(B, S, H), not to be written."""
        return self.both()[1]

    def append(self, k, v):
        """Add copies of k and v (B, T, H) at the end; what lies beyond the context is let go."""
        T = k.shape[1]
        begin = 0 if self.context is None else T - min(T, self.context)
        self.extend(np.stack([k[:, begin:], v[:, begin:]], dtype=self.dtype))

    def extend(self, new):
        """Add keys and values (2, B, T, H) that nobody will write again."""
        pieces, context, T = [piece for piece in self._pieces if piece.shape[2]], self.context, new.shape[2]
        if context is not None and T > context:
            new = new[:, :, T - context:].copy()
        pieces.append(new)
        while context is not None and len(pieces) > 1 and sum(piece.shape[2] for piece in pieces[1:]) >= context:
            del pieces[0]
        self._replace(pieces)

    def load(self, k, v):
        """Hold copies of k and v (B, T, H), and nothing else; ValueError where B, H or T do not fit."""
        B, _, H = self.shape
        if k.shape != v.shape or k.ndim != 3 or (k.shape[0], k.shape[2]) != (B, H):
            raise ValueError(f"KeyValues: keys and values must be ({B}, T, {H}), got {k.shape} and {v.shape}")
        self._replace([np.zeros((2, B, 0, H), self.dtype)])
        self.append(k, v)

    def select(self, rows):
        """Become these rows (R,), in this order; a row may be left out, or stand several times."""
        self._replace([np.take(self.both(), rows, axis=1)])

    def _replace(self, pieces):
        self._pieces, self.changes = pieces, self.changes + 1
