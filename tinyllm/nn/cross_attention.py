"""Attention of one sequence to another, with its projections."""
import numpy as np

from tinyllm.autograd import no_grad
from tinyllm.nn.layers import Linear
from tinyllm.nn.module import Module
from tinyllm.ops.attention import attention_weights, cross_attention
from tinyllm.shapes import check_shapes


class CrossAttention(Module):
    """W_o attention(W_q x, W_k m, W_v m) + b_o with num_heads heads: x asks, the memory m answers.

    The projections of the memory are one Linear, kv; who asks many times keeps kv(memory), and attends.

    features         H, of x and of what comes out; a multiple of num_heads
    memory_features  M, of the memory
    """

    def __init__(self, features, memory_features, num_heads, *, rng, dtype=np.float32):
        if num_heads < 1 or features % num_heads:
            raise ValueError("CrossAttention: num_heads must divide the number of features, "
                             f"got {num_heads} and {features}")
        self.num_heads = num_heads
        self.q = Linear(features, features, rng=rng, dtype=dtype)
        self.kv = Linear(memory_features, 2 * features, rng=rng, dtype=dtype)
        self.out = Linear(features, features, rng=rng, dtype=dtype)

    def forward(self, x, memory, valid=None):
        """x (B, T, H), memory (B, S, M), valid (B, S) True = may be seen -> (B, T, H)."""
        check_shapes("CrossAttention", x=(x.data, "BTH"), memory=(memory.data, "BSM"))
        return self.attend(x, self.kv(memory), valid)

    def attend(self, x, kv, valid=None):
        """x (R, T, H), kv(memory) (B, S, 2H) -> (R, T, H): R / B rows, one after the other, ask the same memory."""
        q = self.q(x).reshape(len(kv), -1, x.shape[-1])  # no query sees another, so they may stand in a row
        return self.out(cross_attention(q, kv, num_heads=self.num_heads, valid=valid)).reshape(x.shape)

    def weights(self, x, memory, valid=None):
        """How much x (B, T, H) takes from each position of the memory (B, S, M): an array (B, A, T, S)."""
        check_shapes("CrossAttention", x=(x.data, "BTH"), memory=(memory.data, "BSM"))
        with no_grad():
            keys = self.kv(memory)[:, :, :x.shape[-1]]
            return attention_weights(self.q(x), keys, num_heads=self.num_heads, valid=valid)
