"""Layers that act on each position alone."""
import math

import numpy as np

from tinyllm.autograd import Tensor
from tinyllm.nn.module import Module, check_size, uniform
from tinyllm.ops.dropout import dropout
from tinyllm.ops.embedding import embedding
from tinyllm.ops.layer_norm import layer_norm
from tinyllm.ops.linear import linear


class Linear(Module):
    """y = x W^T + b: x (..., I) -> (..., O); weight (O, I), bias (O,).  Starts from U(-1/sqrt(I), 1/sqrt(I))."""

    def __init__(self, in_features, out_features, bias=True, *, rng, dtype=np.float32):
        check_size("Linear", in_features=in_features, out_features=out_features)
        bound = 1 / math.sqrt(in_features)
        self.weight = uniform((out_features, in_features), bound, rng, dtype)
        self.bias = uniform((out_features,), bound, rng, dtype) if bias else None

    def forward(self, x):
        return linear(x, self.weight, self.bias)


class Embedding(Module):
    """A row of weight (V, E) for each id: ids (...) -> (..., E).  Starts as PyTorch's, N(0, 1)."""

    def __init__(self, num_embeddings, embedding_dim, *, rng, dtype=np.float32):
        check_size("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.weight = Tensor(rng.standard_normal((num_embeddings, embedding_dim)).astype(dtype), requires_grad=True)

    def forward(self, ids):
        return embedding(ids, self.weight)


class LayerNorm(Module):
    """Mean 0 and variance 1 over the last axis, then weight (H,) times it plus bias (H,)."""

    def __init__(self, features, eps=1e-5, *, dtype=np.float32):
        check_size("LayerNorm", features=features)
        self.weight = Tensor(np.ones(features, dtype), requires_grad=True)
        self.bias = Tensor(np.zeros(features, dtype), requires_grad=True)
        self.eps = eps

    def forward(self, x):
        return layer_norm(x, self.weight, self.bias, self.eps)


class Dropout(Module):
    """Zeros each number with probability p and scales the others by 1 / (1 - p): only where an rng is passed."""

    def __init__(self, p):
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: p must be in [0, 1), got {p}")
        self.p = p

    def forward(self, x, rng=None):
        return dropout(x, self.p, rng)
