"""A decoder: a language model of the target that also reads a memory, the encoded source.

    x = embedding(ids)                                    (B, T, E)
    h = recurrent layer(x or h)                           (B, T, H)   gru, lstm or rnn
    h = LN(h + W_o attention(h, memory) + b_o)            after each recurrent layer: to the source
    h = LN(h + W_o attention(h) + b_o)                    for each attention layer: to the target so far
    logits = h W^T + b                                    (B, T, V)

With copies=True they are log-probabilities of generating a token or copying one of the source (ops/copy_mixture.py):

    logits = log (g softmax(h W^T + b) + (1 - g) sum of the weights of the positions that hold the token)

The recurrent layers start from the encoder's last state e (B, M):

    h0 = tanh(W e + b)                                    each layer has rows of W; lstm: c0 likewise

What a layer takes from the memory goes into the layer above at the same position, not into its own next step
(the input feeding of Luong et al. 2015), so that each layer reads the whole target in one call.

Dropout as in LanguageModel, and on what is taken from the memory.

Shapes: B sources of S positions, memory (B, S, M), R texts of T positions, R = B in training.
"""
import numpy as np

from tinyllm.autograd import Tensor
from tinyllm.models.language_model import NextToken
from tinyllm.nn import CrossAttention, LayerNorm, Linear, Pointer
from tinyllm.nn.attention import KeyValues
from tinyllm.nn.module import check_size
from tinyllm.ops.copy_mixture import copy_mixture
from tinyllm.ops.cross_entropy import cross_entropy
from tinyllm.ops.linear import linear
from tinyllm.shapes import check_shapes


class DecoderState:
    """Where a decoder stands in R texts, and what it reads from.

    hidden     the recurrent state: [h] or, for lstm, [h, c], each a Tensor (layers, R, H)
    attention  a KeyValues for each attention layer: the keys and values of earlier positions
    memory     for each recurrent layer the keys and values of the source, a Tensor (B, S, 2H)
    valid      (B, S) True = real, or None
    source     (B, S) ids and the pointer's keys, a Tensor (B, S, H), or None where nothing is copied

    R / B rows, one after the other, read the same source: the texts of a beam share what none changes.
    """

    def __init__(self, hidden, attention, memory, valid, source=None):
        self.hidden, self.attention, self.memory, self.valid, self.source = hidden, attention, memory, valid, source

    def select(self, rows):
        """Become these rows (at least one), in this order; a row may be left out, or stand several times."""
        rows, sources = np.asarray(rows), len(self.memory[0])
        source = rows // (self.hidden[0].shape[1] // sources)
        kept = np.unique(source)
        if not np.array_equal(source, np.repeat(kept, len(rows) // len(kept))):
            kept = source  # not the same number of each: every row reads a copy of its own
        self.hidden = [Tensor(h.data[:, rows]) for h in self.hidden]
        for past in self.attention:
            past.select(rows)
        if not np.array_equal(kept, np.arange(sources)):
            self.memory = [Tensor(kv.data[kept]) for kv in self.memory]
            self.valid = None if self.valid is None else self.valid[kept]
            self.source = self.source and (self.source[0][kept], Tensor(self.source[1].data[kept]))


class Decoder(NextToken):
    """See the module's text, and NextToken for the arguments, except

    memory_dim  M, the hidden_dim of the encoder; left out, H
    copies      a token of the source, whose vocabulary is the target's, may be copied

    forward, loss and step take a state from initial_state and move it on.
    """

    def __init__(self, vocab_size, embed_dim=256, hidden_dim=256, num_layers=1, num_attention_layers=1,
                 num_heads=4, cell="gru", memory_dim=None, dropout=0.0, tie_weights=False, copies=False, *, rng,
                 dtype=np.float32):
        super().__init__(vocab_size, embed_dim, hidden_dim, num_layers, num_attention_layers, num_heads, cell,
                         dropout, tie_weights, rng=rng, dtype=dtype)
        memory_dim = hidden_dim if memory_dim is None else memory_dim
        check_size("Decoder", memory_dim=memory_dim)
        self.config |= {"memory_dim": memory_dim, "copies": bool(copies)}
        self.cross = [CrossAttention(hidden_dim, memory_dim, num_heads, rng=rng, dtype=dtype)
                      for _ in range(num_layers)]
        self.cross_norm = [LayerNorm(hidden_dim, dtype=dtype) for _ in range(num_layers)]
        self.bridge = Linear(memory_dim, num_layers * hidden_dim, rng=rng, dtype=dtype)
        if cell == "lstm":
            self.bridge_c = Linear(memory_dim, num_layers * hidden_dim, rng=rng, dtype=dtype)
        if copies:
            self.pointer = Pointer(hidden_dim, memory_dim, rng=rng, dtype=dtype)

    def initial_state(self, memory, last, valid=None, context=None, source=None):
        """The DecoderState before the first token; inside no_grad where it is only stepped.

        memory   Tensor (B, S, M)
        last     the encoder's last states: [h] or, for lstm, [h, c], each a Tensor (layers, B, M)
        valid    (B, S) True = real
        context  how many positions before the ids of one call attention may see: None all, 0 none
        source   (B, S) ids, which a decoder that copies needs
        """
        config, (B, _, M) = self.config, memory.shape
        L, H = config["num_layers"], config["hidden_dim"]
        bridges = [self.bridge, self.bridge_c] if config["cell"] == "lstm" else [self.bridge]
        if M != config["memory_dim"] or len(last) != len(bridges):
            raise ValueError(f"Decoder: memory must be (B, S, {config['memory_dim']}) and last "
                             f"{len(bridges)} states of the encoder, got {memory.shape} and {len(last)}")
        if source is not None:
            source = np.asarray(source)
            check_shapes("Decoder", memory=(memory.data, "BSM"), source=(source, "BS"))
        start = [bridge(e[-1]).tanh().reshape(B, L, H).swapaxes(0, 1) for bridge, e in zip(bridges, last)]
        return DecoderState(start, [KeyValues(B, H, context, memory.dtype) for _ in self.attention],
                            [cross.kv(memory) for cross in self.cross],
                            None if valid is None else np.asarray(valid),
                            None if source is None or not config["copies"] else (source, self.pointer.keys(memory)))

    def hidden(self, ids, state, rng=None):
        """ids (B, T) -> what the output layer reads (B, T, H); the state is moved on, with its history."""
        return self._attend(self._read(ids, state, rng)[0], state.attention, rng)

    def forward(self, ids, state=None, rng=None):
        """ids (B, T), integers in 0..V-1 -> logits (B, T, V)."""
        h = self.hidden(ids, state, rng)
        logits = linear(*self._output_layer(h))
        if not self.config["copies"]:
            return logits
        if state.source is None:
            raise ValueError("Decoder: source must be given to initial_state of a decoder that copies, got None")
        source, keys = state.source
        weights, gate = self.pointer(h.reshape(len(source), -1, h.shape[-1]), keys, state.valid)
        log_p = copy_mixture(logits.reshape(len(source), -1, logits.shape[-1]), weights, gate, source)
        return log_p.reshape(logits.shape)

    def loss(self, ids, targets, state=None, rng=None, label_smoothing=0.0):
        """Mean nats per target, a scalar: ids and targets (B, T); targets may be cross_entropy.IGNORE."""
        if not self.config["copies"]:
            return super().loss(ids, targets, state, rng, label_smoothing)
        logits = self(ids, state, rng)
        return cross_entropy(logits.reshape(-1, logits.shape[-1]), np.asarray(targets).reshape(-1), label_smoothing)

    def weights(self, ids, memory, last, valid=None):
        """Where the last recurrent layer looks in the memory: an array (B, A, T, S), adding up to 1 over S.

        ids (B, T); the rest as in initial_state.
        """
        asking = self._read(ids, self.initial_state(memory, last, valid, context=0), None)[1]
        return self.cross[-1].weights(asking, memory, valid)

    def _read(self, ids, state, rng):
        """What the last recurrent layer gives (R, T, H), and what it gave before it looked at the memory."""
        if not isinstance(state, DecoderState):
            raise TypeError(f"Decoder: state must be one that initial_state gave, got {type(state).__name__}")
        h, ends = self.dropout(self.embedding(ids), rng), []
        start = tuple(state.hidden) if len(state.hidden) > 1 else state.hidden[0]
        for number, (cross, norm, kept) in enumerate(zip(self.cross, self.cross_norm, state.memory)):
            asking, last = self.rnn.layer(number, h, start, None, rng)
            h = norm(asking + self.dropout(cross.attend(asking, kept, state.valid), rng))
            ends += last
        end = self.rnn._join(ends)
        state.hidden = list(end) if isinstance(end, tuple) else [end]
        return h, asking
