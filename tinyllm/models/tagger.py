"""A tagger: a tag for each token.

    h = encoder(ids)                                      (B, T, H)
    e = h W^T + b                                         (B, T, C)   how well each tag fits each token

With a CRF the tags y of a sentence are scored together: start, transitions from tag to tag, end.

    s(y) = start[y_0] + sum_t e[t, y_t] + sum_t transitions[y_t-1, y_t] + end[y_T-1]
    loss = sum over sentences of log sum_y' exp s(y') - s(y), over the number of tokens      nats per token

Without one, each token by itself: mean cross-entropy, nats per token.

How sure the model is of a tag, all others left open, is its marginal: with a CRF the share of the paths through it,
which is a gradient, so crf_nll's backward has it already; without one the softmax.

    p(y_t = c) = sum over y with y_t = c of exp s(y) / sum_y' exp s(y') = d log sum_y' exp s(y') / d e[t, c]
    p(y_t = c) = softmax(e[t])[c]
"""
import numpy as np

from tinyllm.autograd import Tensor, no_grad
from tinyllm.models.encoder import Encoder
from tinyllm.nn import Dropout, Linear, Module
from tinyllm.nn.module import check_size
from tinyllm.ops.crf import crf_marginals, crf_nll
from tinyllm.ops.cross_entropy import IGNORE, cross_entropy
from tinyllm.ops.softmax import softmax
from tinyllm.ops.viterbi import viterbi
from tinyllm.shapes import check_shapes


class Tagger(Module):
    """num_tags C; crf: score the tags of a sentence together; the other arguments are the Encoder's.

    valid, wherever it is given, is True at the beginning of each row and only there.
    """

    def __init__(self, vocab_size, num_tags, crf=True, *, rng, dtype=np.float32, **sizes):
        check_size("Tagger", num_tags=num_tags)
        self.encoder = Encoder(vocab_size, **sizes, rng=rng, dtype=dtype)
        self.config = {**self.encoder.config, "num_tags": num_tags, "crf": bool(crf)}
        self.dropout = Dropout(self.encoder.config["dropout"])
        self.output = Linear(self.encoder.config["hidden_dim"], num_tags, rng=rng, dtype=dtype)
        if crf:
            self.transitions = Tensor(np.zeros((num_tags, num_tags), dtype), requires_grad=True)
            self.start = Tensor(np.zeros(num_tags, dtype), requires_grad=True)
            self.end = Tensor(np.zeros(num_tags, dtype), requires_grad=True)

    def forward(self, ids, valid=None, features=None, rng=None):
        """ids (B, T) -> how well each tag fits each token (B, T, C); the rest as in Encoder."""
        h, _ = self.encoder(ids, valid, features, rng)
        return self.output(self.dropout(h, rng))

    def loss(self, ids, tags, valid=None, features=None, rng=None):
        """Mean nats per token, a scalar; tags (B, T), in 0..C-1 where valid."""
        check_shapes("Tagger", ids=(np.asarray(ids), "BT"), tags=(np.asarray(tags), "BT"))
        return self.loss_of(self(ids, valid, features, rng), tags, valid)

    def loss_of(self, scores, tags, valid=None):
        """The same of what forward gave: scores a Tensor (B, T, C)."""
        tags = np.asarray(tags)
        if not self.config["crf"]:
            targets = tags if valid is None else np.where(valid, tags, IGNORE)
            return cross_entropy(scores.reshape(-1, scores.shape[-1]), targets.reshape(-1))
        tokens = tags.size if valid is None else int(np.sum(valid))
        return crf_nll(scores, tags, self.transitions, self.start, self.end, valid).sum() / tokens

    def decode(self, ids, valid=None, features=None, allowed=None):
        """The best tags of each row: a list of B integer arrays, as long as the row's valid part.

        allowed  (allowed_start (C,), allowed (C, C)) booleans: which tags may begin, which may follow which;
                 metrics.entity_f1.bio_constraints makes them
        """
        with no_grad():
            return self.paths_of(self(ids, valid, features), valid, allowed)

    def paths_of(self, scores, valid=None, allowed=None):
        """The same of what forward gave: scores a Tensor (B, T, C)."""
        C, dtype = scores.shape[-1], scores.dtype
        joint = ([self.transitions.data, self.start.data, self.end.data] if self.config["crf"]
                 else [np.zeros((C, C), dtype), np.zeros(C, dtype), np.zeros(C, dtype)])
        allowed_start, follows = (None, None) if allowed is None else allowed
        paths, _ = viterbi(scores.data, *joint, valid=valid, allowed_start=allowed_start, allowed=follows)
        lengths = np.full(len(paths), paths.shape[1]) if valid is None else np.sum(valid, axis=1)
        return [path[:length] for path, length in zip(paths, lengths)]

    def marginals(self, ids, valid=None, features=None):
        """p(y_t = c), see the module's text: an array (B, T, C), each row of C adds up to 1; 0 where not valid."""
        with no_grad():
            return self.marginals_of(self(ids, valid, features), valid)

    def marginals_of(self, scores, valid=None):
        """The same of what forward gave: scores a Tensor (B, T, C)."""
        if self.config["crf"]:
            return crf_marginals(scores.data, self.transitions.data, self.start.data, self.end.data, valid)
        p = softmax(scores).data
        return p if valid is None else np.where(np.asarray(valid)[..., None], p, 0)
