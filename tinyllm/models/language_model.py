"""A language model: what comes next, given what came before.

    x = embedding(ids)                                    (B, T, E)
    h = recurrent layers(x)                               (B, T, H)   gru, lstm or rnn
    h = LN(h + W_o attention(h) + b_o)                    for each attention layer: causal, several heads
    logits = h W^T + b                                    (B, T, V)

    loss = -1/(B T) sum log softmax(logits)[target]       nats per target

The recurrent state knows the order of the words, so attention needs no positions of its own.

Dropout (only where an rng is passed) falls on what every recurrent layer reads, on what the last one gives, on what
attention adds, and on what the output layer reads.
"""
import math

import numpy as np

from tinyllm.autograd import Tensor, no_grad, on_formulas
from tinyllm.decoding.generate import generate
from tinyllm.models.decode_kernel import WholeLoop
from tinyllm.models.int8 import rounded
from tinyllm.nn import GRU, LSTM, RNN, Dropout, Embedding, LayerNorm, Linear, Module, SelfAttention
from tinyllm.nn.attention import KeyValues
from tinyllm.nn.module import check_size
from tinyllm.ops.linear import linear
from tinyllm.ops.linear_cross_entropy import linear_cross_entropy

CELLS = {"gru": GRU, "lstm": LSTM, "rnn": RNN}
READ = 512  # positions of a prompt that are read at once, so that a long one needs no memory to match


class State:
    """Where a model stands in B texts: what it has read so far.

    hidden     the recurrent state: [h] or, for lstm, [h, c], each an array (layers, B, H)
    attention  a KeyValues for each attention layer: the keys and values of earlier positions
    """

    def __init__(self, hidden, attention):
        self.hidden, self.attention = hidden, attention

    def arrays(self):
        """Name -> array, not to be written: all that is needed to go on from here."""
        arrays = {f"hidden.{i}": h for i, h in enumerate(self.hidden)}
        for i, past in enumerate(self.attention):
            arrays |= {f"keys.{i}": past.keys(), f"values.{i}": past.values()}
        return arrays

    def load(self, arrays):
        """Stand where arrays() was taken; ValueError for arrays of another shape."""
        hidden = [np.array(arrays[f"hidden.{i}"]) for i in range(len(self.hidden))]
        for i, (old, new) in enumerate(zip(self.hidden, hidden)):
            if old.shape != new.shape:
                raise ValueError(f"State: hidden.{i} must be {old.shape}, got {new.shape}")
        self.hidden = hidden
        for i, past in enumerate(self.attention):
            past.load(arrays[f"keys.{i}"], arrays[f"values.{i}"])


class NextToken(Module):
    """What every model that predicts the next token has: the parts, and the way from hidden(ids, state, rng) on.

    vocab_size            V
    embed_dim             E; hidden_dim H, a multiple of num_heads
    cell                  "gru", "lstm" or "rnn"
    dropout               probability, in effect only where rng= is passed to a call
    tie_weights           the output layer uses the embedding's matrix; with E != H a projection H -> E comes before it

    Raises ValueError for a size below 1, an unknown cell and heads that do not divide hidden_dim.
    """

    def __init__(self, vocab_size, embed_dim=128, hidden_dim=256, num_layers=1, num_attention_layers=1, num_heads=4,
                 cell="gru", dropout=0.0, tie_weights=False, *, rng, dtype=np.float32):
        name = type(self).__name__
        check_size(name, vocab_size=vocab_size, embed_dim=embed_dim, hidden_dim=hidden_dim,
                   num_layers=num_layers, num_heads=num_heads)
        if cell not in CELLS:
            raise ValueError(f"{name}: cell must be one of {', '.join(CELLS)}, got {cell!r}")
        if num_attention_layers < 0:
            raise ValueError(f"{name}: num_attention_layers must be at least 0, got {num_attention_layers}")
        self.config = {
            "vocab_size": vocab_size, "embed_dim": embed_dim, "hidden_dim": hidden_dim, "num_layers": num_layers,
            "num_attention_layers": num_attention_layers, "num_heads": num_heads, "cell": cell,
            "dropout": dropout, "tie_weights": tie_weights}
        self.embedding = Embedding(vocab_size, embed_dim, rng=rng, dtype=dtype)
        self.rnn = CELLS[cell](embed_dim, hidden_dim, num_layers, dropout=dropout, rng=rng, dtype=dtype)
        self.attention = [SelfAttention(hidden_dim, num_heads, rng=rng, dtype=dtype)
                          for _ in range(num_attention_layers)]
        self.norm = [LayerNorm(hidden_dim, dtype=dtype) for _ in range(num_attention_layers)]
        self.dropout = Dropout(dropout)
        if not tie_weights:
            self.output = Linear(hidden_dim, vocab_size, rng=rng, dtype=dtype)
        else:
            self.embedding.weight.data *= dtype(1 / math.sqrt(embed_dim))  # logits of size 1, as an output layer's
            self.output_table = self.embedding.weight  # a second name of one parameter
            self.output_bias = Tensor(np.zeros(vocab_size, dtype), requires_grad=True)
            if embed_dim != hidden_dim:
                self.projection = Linear(hidden_dim, embed_dim, rng=rng, dtype=dtype)

    def _attend(self, h, pasts, rng):
        """h (B, T, H) through the attention layers, each with its past: a KeyValues, or None."""
        h = self.dropout(h, rng) if self.attention else h  # without attention the output layer reads h
        for attention, norm, past in zip(self.attention, self.norm, pasts):
            h = norm(h + self.dropout(attention(h, causal=True, past=past), rng))
        return self.dropout(h, rng)

    def _output_layer(self, h):
        """What the last product takes: its input, weight and bias."""
        if not self.config["tie_weights"]:
            return h, self.output.weight, self.output.bias
        if hasattr(self, "projection"):
            h = self.projection(h)
        return h, self.output_table, self.output_bias

    def forward(self, ids, state=None, rng=None):
        """ids (B, T), integers in 0..V-1 -> logits (B, T, V)."""
        return linear(*self._output_layer(self.hidden(ids, state, rng)))

    def loss(self, ids, targets, state=None, rng=None, label_smoothing=0.0):
        """Mean nats per target, a scalar: ids and targets (B, T); targets may be cross_entropy.IGNORE."""
        h, weight, bias = self._output_layer(self.hidden(ids, state, rng))
        return linear_cross_entropy(h.reshape(-1, h.shape[-1]), weight, bias, np.asarray(targets).reshape(-1),
                                    label_smoothing)

    def step(self, state, ids):
        """One token further in each of B texts: ids (B,) -> logits, an array (B, V)."""
        with no_grad():
            return self.forward(np.asarray(ids)[:, None], state).data[:, 0]


class LanguageModel(NextToken):
    """Embedding, num_layers recurrent layers, num_attention_layers attention layers, output: see the module's text,
    and NextToken for the arguments.
    """

    def initial_state(self, batch, context=None):
        """The State before the first token of `batch` texts.

        context  how many positions before the ids of one call attention may see: None all, 0 none
        """
        dtype = self.embedding.weight.dtype
        hidden = self.rnn.initial_state(batch)
        hidden = hidden if isinstance(hidden, tuple) else (hidden,)
        return State([h.data for h in hidden],
                     [KeyValues(batch, self.rnn.hidden_size, context, dtype) for _ in self.attention])

    def hidden(self, ids, state=None, rng=None):
        """ids (B, T) -> what the output layer reads (B, T, H); a given state is advanced in place, without history."""
        x = self.dropout(self.embedding(ids), rng)
        start = None
        if state is not None:
            start = [Tensor(h) for h in state.hidden]
            start = tuple(start) if len(start) > 1 else start[0]
        h, end = self.rnn(x, start, rng=rng)
        if state is not None:
            state.hidden = [e.data for e in (end if isinstance(end, tuple) else (end,))]
        return self._attend(h, state.attention if state is not None else [None] * len(self.attention), rng)

    def read(self, state, ids):
        """Move the state on over ids (B, T), many positions at once: as step for each, but for rounding.

        Where T is above the state's context, pieces of that length are read, each position seeing the piece before
        its own as well: as training with a carried state does.
        """
        context = state.attention[0].context if state.attention else None
        piece = min(READ, context or READ)
        with no_grad():
            for begin in range(0, ids.shape[1], piece):
                self.hidden(ids[:, begin:begin + piece], state)

    def stream(self, prompt_ids, *, max_tokens, context=None, int8=False, **choice):
        """An iterator over arrays (B,): the tokens after prompt_ids (B, P), one at a time as they are drawn.

        context  how far back attention looks, None as far as the text goes
        int8     write as int8.rounded(self), whose weights are read as int8: sooner where they are large
        the rest as decoding.generate
        """
        prompt_ids = np.asarray(prompt_ids)
        state = self.initial_state(len(prompt_ids), context)
        reads = int8 and (on_formulas() or prompt_ids.shape[-1] > 1)  # the loop rounds by itself
        model = rounded(self) if reads else self
        loop = None if on_formulas() else WholeLoop(self, int8)
        return generate(model.step, state, prompt_ids, vocab_size=self.config["vocab_size"], max_tokens=max_tokens,
                        read=model.read, loop=loop, **choice)

    def generate(self, prompt_ids, max_tokens, temperature=1.0, top_k=None, top_p=None, repetition_penalty=1.0, *,
                 rng, **choice):
        """The tokens after prompt_ids (B, P) or, for one text, (P,): integers (B, N) or (N,), N up to max_tokens."""
        prompt_ids = np.asarray(prompt_ids)
        ids = list(self.stream(np.atleast_2d(prompt_ids), max_tokens=max_tokens, temperature=temperature, top_k=top_k,
                               top_p=top_p, repetition_penalty=repetition_penalty, rng=rng, **choice))
        ids = np.stack(ids, axis=1)
        return ids if prompt_ids.ndim == 2 else ids[0]
