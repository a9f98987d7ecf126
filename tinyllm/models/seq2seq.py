"""Sequence to sequence: a source is encoded, and the decoder writes the target, token by token.

    memory, last = encoder(source)                        what each position says, and where the reading ended
    p(target) = prod_t p(y[t] | y[0], ..., y[t-1], memory)

    loss = -1/N sum log p(y[t] | ...)                     nats per target token; each row's EOS is one

Training reads the target in one pass, shifted right:

    input      BOS   y[0]  y[1]  ...  y[n-1]
    target     y[0]  y[1]  ...  y[n-1]  EOS

That is teacher forcing (Williams and Zipser 1989).  With teacher_forcing_ratio below 1, a batch may be fed
what the model itself writes instead, greedily and without history: it learns to go on from its own words
(Bengio et al. 2015, decided once for a batch).
"""
import numpy as np

from tinyllm.autograd import no_grad
from tinyllm.decoding.beam import beam_search
from tinyllm.decoding.generate import generate
from tinyllm.models.decoder import Decoder
from tinyllm.models.encoder import Encoder
from tinyllm.nn import Module
from tinyllm.nn.module import check_size
from tinyllm.ops.cross_entropy import IGNORE
from tinyllm.shapes import check_shapes
from tinyllm.text import BOS, EOS, PAD, SPECIAL_TOKENS, UNK


class Seq2Seq(Module):
    """An encoder and a decoder that belong together.

    encoder, decoder  of one cell; the encoder's hidden_dim is the decoder's memory_dim
    vocab_size        V, of the target, the four special tokens included
    max_seq_len       the most tokens that translate writes, EOS counted
    share_embeddings  one vocabulary and one table for both: the decoder's, from now on the encoder's too

    Raises ValueError for parts that do not fit together.
    """

    def __init__(self, encoder, decoder, vocab_size, max_seq_len, *, share_embeddings=False):
        check_size("Seq2Seq", vocab_size=vocab_size, max_seq_len=max_seq_len)
        if vocab_size <= len(SPECIAL_TOKENS):
            raise ValueError(f"Seq2Seq: vocab_size must be above {len(SPECIAL_TOKENS)}, the special tokens, "
                             f"got {vocab_size}")
        pairs = [("memory_dim", "hidden_dim"), ("cell", "cell")]
        pairs += [("vocab_size", "vocab_size"), ("embed_dim", "embed_dim")] if share_embeddings else []
        agree = [(decoder.config["vocab_size"], "vocab_size", vocab_size, "vocab_size")]
        agree += [(decoder.config[own], own, encoder.config[its], f"encoder's {its}") for own, its in pairs]
        for got, own, expected, its in agree:
            if got != expected:
                raise ValueError(f"Seq2Seq: the decoder's {own} must be the {its}, {expected!r}, got {got!r}")
        if decoder.config["copies"] and not share_embeddings:
            raise ValueError("Seq2Seq: share_embeddings must be true with a decoder that copies, whose ids are those of"
                             " the source, got False")
        self.encoder, self.decoder = encoder, decoder
        if share_embeddings:  # the decoder's, because a tied output layer relies on how large its entries are
            encoder.embedding.weight = decoder.embedding.weight
        self.config = {"encoder": encoder.config, "decoder": decoder.config, "max_seq_len": max_seq_len,
                       "share_embeddings": bool(share_embeddings)}

    @classmethod
    def from_config(cls, config, *, rng, dtype=np.float32):
        """A new model of these sizes; config as Seq2Seq.config."""
        return cls(Encoder(**config["encoder"], rng=rng, dtype=dtype),
                   Decoder(**config["decoder"], rng=rng, dtype=dtype), config["decoder"]["vocab_size"],
                   config["max_seq_len"], share_embeddings=config["share_embeddings"])

    def forward(self, source, target, source_valid=None, teacher_forcing_ratio=0.5, rng=None, source_features=None):
        """source (B, S), target (B, T) without BOS -> logits (B, T, V): those at t are for target[:, t].

        source_valid           (B, S) True = real
        teacher_forcing_ratio  how probable it is that the target is the input, see the module's text
        rng                    draws that, where the ratio is neither 0 nor 1, and dropout
        source_features        (B, S, K), of an encoder with features

        Raises ValueError for another ratio, and where it needs an rng.
        """
        inputs, state = self._prepared(source, np.asarray(target), source_valid, source_features,
                                       teacher_forcing_ratio, rng)
        return self.decoder(inputs, state, rng)

    def loss(self, source, target, source_valid=None, target_valid=None, *, label_smoothing=0.0,
             teacher_forcing_ratio=1.0, rng=None, source_features=None):
        """Mean nats per target token, a scalar; every row's EOS is one of them.

        target        (B, T) without BOS and EOS
        target_valid  (B, T) True = real, the beginning of each row; left out, all of it

        The rest as in forward and cross_entropy.  Raises ValueError as they do, and for another target_valid.
        """
        ended, counts = _with_end(target, target_valid)
        inputs, state = self._prepared(source, ended, source_valid, source_features, teacher_forcing_ratio, rng)
        return self.decoder.loss(inputs, np.where(counts, ended, IGNORE), state, rng, label_smoothing)

    def attention(self, source, source_valid, target, target_valid=None, source_features=None):
        """Where the last cross-attention layer looks, for each target token and EOS: (B, A, T + 1, S)."""
        ended, _ = _with_end(target, target_valid)
        with no_grad():
            memory, last = self.encoder(source, source_valid, source_features)
            return self.decoder.weights(_shifted(ended), memory, last, source_valid)

    def translate(self, source, source_valid=None, *, beam=1, max_tokens=None, length_penalty=1.0,
                  return_scores=False, source_features=None):
        """The best target found for each source: a list of B integer arrays, without BOS and EOS.

        source           (B, S), source_valid (B, S) True = real
        beam             how many texts are followed, see beam_search; 1 is greedy
        max_tokens       the most tokens of a target, EOS counted, a number or (B,); left out, max_seq_len
        length_penalty   of the score, log p / tokens ^ length_penalty
        return_scores    give (targets, scores (B,)) instead
        source_features  (B, S, K), of an encoder with features

        PAD, UNK and BOS are never written.  A target depends on no other source of the batch.
        """
        source = np.asarray(source)
        max_tokens = self.config["max_seq_len"] if max_tokens is None else max_tokens
        with no_grad():
            memory, last = self.encoder(source, source_valid, source_features)
            state = self.decoder.initial_state(memory, last, source_valid, source=source)
            found = beam_search(self.decoder.step, state, np.full(len(source), BOS), beam=beam,
                                max_tokens=max_tokens, stop_id=EOS, length_penalty=length_penalty,
                                vocab_size=self.decoder.config["vocab_size"], banned=(PAD, UNK, BOS))
        targets, scores = zip(*[texts[0] for texts in found])
        return (list(targets), np.array(scores)) if return_scores else list(targets)

    def _prepared(self, source, target, source_valid, source_features, ratio, rng):
        """The decoder's input (B, T) and the state that it starts from."""
        sizes = check_shapes("Seq2Seq", source=(np.asarray(source), "BS"), target=(target, "BT"))
        if sizes["T"] < 1:
            raise ValueError(f"Seq2Seq: target must have at least one token, got shape {target.shape}")
        if not 0 <= ratio <= 1:
            raise ValueError(f"Seq2Seq: teacher_forcing_ratio must be in 0..1, got {ratio}")
        if 0 < ratio < 1 and rng is None:
            raise ValueError(f"Seq2Seq: rng must be given where teacher_forcing_ratio is {ratio}, got None")
        memory, last = self.encoder(source, source_valid, source_features, rng)
        state = self.decoder.initial_state(memory, last, source_valid, context=0, source=source)
        forced = rng.random() < ratio if 0 < ratio < 1 else ratio == 1
        return _shifted(target if forced else self._written(memory, last, source_valid, source, target)), state

    def _written(self, memory, last, valid, source, target):
        """In place of the target (B, T): as many tokens as the model writes greedily, never ending."""
        (B, T), V = target.shape, self.decoder.config["vocab_size"]
        if T < 2:
            return target  # only what comes before the last token is read
        with no_grad():
            state = self.decoder.initial_state(memory, last, valid, source=source)
            tokens = list(generate(self.decoder.step, state, np.full((B, 1), BOS), vocab_size=V,
                                   max_tokens=T - 1, temperature=0, rng=None,
                                   banned=range(len(SPECIAL_TOKENS))))
        return np.stack([*tokens, target[:, -1]], axis=1)


def _shifted(target):
    """BOS before, the last token away: (B, T)."""
    return np.concatenate([np.full((len(target), 1), BOS), target[:, :-1]], axis=1)


def _with_end(target, valid):
    """target, valid (B, T) -> the target with EOS behind each row, and what of it is real: (B, T + 1)."""
    target = np.asarray(target)
    valid = np.ones(target.shape, bool) if valid is None else np.asarray(valid)
    check_shapes("Seq2Seq", target=(target, "BT"), target_valid=(valid, "BT"))
    if valid.dtype != bool or (valid[:, 1:] & ~valid[:, :-1]).any():
        raise ValueError("Seq2Seq: target_valid must be boolean, True where a row begins and only there")
    counts = np.pad(valid, [(0, 0), (1, 0)], constant_values=True)  # one place more than valid, for EOS
    ended = np.pad(np.where(valid, target, PAD), [(0, 0), (0, 1)], constant_values=PAD)
    ended[np.arange(len(target)), valid.sum(axis=1)] = EOS
    return ended, counts
