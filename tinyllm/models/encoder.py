"""An encoder: what each position of a whole text says, seen from both sides.

    x = embedding(ids) + sum of the rows of features      (B, S, E)
    h = recurrent layers(x), forward and back in time     (B, S, 2H)  gru, lstm or rnn
    h = h W^T + b                                         (B, S, H)   where there are two directions
    h = LN(h + W_o attention(h) + b_o)                    (B, S, H)   for each attention layer: all see all

The parts have LanguageModel's names and sizes, so that a pretrained one can be taken over (transfer.py);
features say what a token is besides itself (text/features.py), so that an unseen word is not blind.

Padding (valid False) changes nothing: the recurrent state passes it by, attention does not see it.

Dropout, only where an rng is passed, falls where LanguageModel's does, but not on what comes out: whoever
reads that does it.
"""
import numpy as np

from tinyllm.autograd import Tensor
from tinyllm.models.language_model import CELLS
from tinyllm.nn import Dropout, Embedding, LayerNorm, Linear, Module, SelfAttention
from tinyllm.nn.module import check_size
from tinyllm.ops.embedding_bag import embedding_bag
from tinyllm.shapes import check_shapes


class Encoder(Module):
    """What it consists of says the module's text.

    vocab_size            V
    embed_dim             E; hidden_dim H, a multiple of num_heads
    cell                  "gru", "lstm" or "rnn"
    bidirectional         read back in time too, and merge 2H into H
    dropout               probability, in effect only where rng= is passed to a call
    num_features          F, rows of the table of features; 0: none

    Raises ValueError for a size below 1, an unknown cell and heads that do not divide hidden_dim.
    """

    def __init__(self, vocab_size, embed_dim=256, hidden_dim=256, num_layers=1, num_attention_layers=1,
                 num_heads=4, cell="gru", bidirectional=True, dropout=0.0, num_features=0, *, rng,
                 dtype=np.float32):
        name = type(self).__name__
        check_size(name, vocab_size=vocab_size, embed_dim=embed_dim, hidden_dim=hidden_dim,
                   num_layers=num_layers, num_heads=num_heads)
        if cell not in CELLS:
            raise ValueError(f"{name}: cell must be one of {', '.join(CELLS)}, got {cell!r}")
        for argument, value in {"num_attention_layers": num_attention_layers,
                                "num_features": num_features}.items():
            if value < 0:
                raise ValueError(f"{name}: {argument} must be at least 0, got {value}")
        self.config = {
            "vocab_size": vocab_size, "embed_dim": embed_dim, "hidden_dim": hidden_dim,
            "num_layers": num_layers, "num_attention_layers": num_attention_layers, "num_heads": num_heads,
            "cell": cell, "bidirectional": bool(bidirectional), "dropout": dropout,
            "num_features": num_features}
        self.embedding = Embedding(vocab_size, embed_dim, rng=rng, dtype=dtype)
        if num_features:  # small: a token has a dozen of them
            self.features = Tensor((0.1 * rng.standard_normal((num_features, embed_dim))).astype(dtype),
                                   requires_grad=True)
        self.rnn = CELLS[cell](embed_dim, hidden_dim, num_layers, bidirectional=bidirectional,
                               dropout=dropout, rng=rng, dtype=dtype)
        if bidirectional:
            self.merge = Linear(2 * hidden_dim, hidden_dim, rng=rng, dtype=dtype)
        self.attention = [SelfAttention(hidden_dim, num_heads, rng=rng, dtype=dtype)
                          for _ in range(num_attention_layers)]
        self.norm = [LayerNorm(hidden_dim, dtype=dtype) for _ in range(num_attention_layers)]
        self.dropout = Dropout(dropout)

    def forward(self, ids, valid=None, features=None, rng=None):
        """ids (B, S) -> what each position says (B, S, H), and the last states.

        valid     (B, S) True = real, the beginning of each row; left out, all of it
        features  (B, S, K) integers, -1 where a slot is empty; only where num_features > 0

        The last states: [h] or, for lstm, [h, c], each (num_layers, B, H), the mean of the two directions.

        Raises ValueError for shapes that do not fit, ids or features out of their range, a valid that is not
        boolean or has no True in a row, and features that are missing or that nothing reads.
        """
        ids, valid, features = (a if a is None else np.asarray(a) for a in (ids, valid, features))
        self._check(ids, valid, features)
        x = self.embedding(ids)
        if features is not None:
            x = x + embedding_bag(features, self.features)
        h, last = self.rnn(self.dropout(x, rng), valid=valid, rng=rng)
        h = self.merge(h) if self.config["bidirectional"] else h
        h = self.dropout(h, rng) if self.attention else h  # without attention, h comes out
        for attention, norm in zip(self.attention, self.norm):
            h = norm(h + self.dropout(attention(h, valid=valid), rng))
        last = last if isinstance(last, tuple) else (last,)
        return h, [self._of_both(end) for end in last]

    def _check(self, ids, valid, features):
        """Raise ValueError for arrays that do not fit each other or this encoder."""
        given = {"ids": (ids, "BS"), "valid": (valid, "BS"), "features": (features, "BSK")}
        sizes = check_shapes("Encoder", **{name: pair for name, pair in given.items() if pair[0] is not None})
        if sizes["S"] < 1:
            raise ValueError(f"Encoder: ids must be (B, S) with S > 0, got shape {ids.shape}")
        if valid is not None and valid.dtype != bool:
            raise ValueError(f"Encoder: valid must be boolean, got {valid.dtype}")
        if valid is not None and not valid.any(axis=1).all():
            raise ValueError("Encoder: valid must have a True in every row, "
                             f"got none in row {valid.any(axis=1).argmin()}")
        if (features is None) != (self.config["num_features"] == 0):
            given = "be given" if features is None else "not be given"
            raise ValueError(f"Encoder: features must {given} to an encoder with num_features "
                             f"{self.config['num_features']}")

    def _of_both(self, end):
        """(layers * directions, B, H) -> (layers, B, H), the mean of the directions."""
        if not self.config["bidirectional"]:
            return end
        layers, B, H = self.config["num_layers"], end.shape[1], end.shape[2]
        return end.reshape(layers, 2, B, H).mean(axis=1)
