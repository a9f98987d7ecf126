"""A classifier: one label for a text.

    h = encoder(ids)                                      (B, T, H)
    p = mean of h and maximum of h over valid positions   (B, 2H)
    logits = p W^T + b                                    (B, C)

    loss = -1/B sum log softmax(logits)[label]            nats per text
"""
import numpy as np

from tinyllm.autograd import no_grad
from tinyllm.models.encoder import Encoder
from tinyllm.nn import Dropout, Linear, Module
from tinyllm.nn.module import check_size
from tinyllm.ops.arrangement import concatenate, where
from tinyllm.ops.cross_entropy import cross_entropy
from tinyllm.ops.softmax import softmax


def pooled(h, valid=None):
    """h (B, T, H) -> mean and maximum over the valid positions, side by side: (B, 2H)."""
    if valid is None:
        return concatenate([h.mean(axis=1), h.max(axis=1)], axis=-1)
    real = np.asarray(valid)[:, :, None]
    weights = (real / real.sum(axis=1, keepdims=True)).astype(h.dtype)
    least = np.full((), -np.inf, h.dtype)
    return concatenate([(h * weights).sum(axis=1), where(real, h, least).max(axis=1)], axis=-1)


class Classifier(Module):
    """num_classes C; the other arguments are the Encoder's."""

    def __init__(self, vocab_size, num_classes, *, rng, dtype=np.float32, **sizes):
        check_size("Classifier", num_classes=num_classes)
        self.encoder = Encoder(vocab_size, **sizes, rng=rng, dtype=dtype)
        self.config = {**self.encoder.config, "num_classes": num_classes}
        self.dropout = Dropout(self.encoder.config["dropout"])
        self.output = Linear(2 * self.encoder.config["hidden_dim"], num_classes, rng=rng, dtype=dtype)

    def forward(self, ids, valid=None, features=None, rng=None):
        """ids (B, T) -> logits (B, C); valid, features and rng as in Encoder."""
        h, _ = self.encoder(ids, valid, features, rng)
        return self.output(self.dropout(pooled(h, valid), rng))

    def loss(self, ids, targets, valid=None, features=None, label_smoothing=0.0, rng=None):
        """Mean nats per text, a scalar; targets (B,) are labels 0..C-1."""
        return cross_entropy(self(ids, valid, features, rng), np.asarray(targets), label_smoothing)

    def probabilities(self, ids, valid=None, features=None):
        """An array (B, C); each row adds up to 1."""
        with no_grad():
            return softmax(self(ids, valid, features)).data
