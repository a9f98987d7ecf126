"""Every op and every model, each option once: what the gradient check, the formula-equals-kernel test,
`tinyllm gradcheck` and the mutation script all read.

A Case builds a function of Tensors and the arrays to call it with:

    f, arrays, parameters = case.build(rng)          arrays float64; parameters: a Module that f uses beside them, or ()

Sizes are small and no multiple of a vector.  An op without a case fails a test.
"""
from typing import Callable, NamedTuple

import numpy as np

from tinyllm import nn, ops
from tinyllm.autograd import Tensor
from tinyllm.models import Classifier, Decoder, Encoder, LanguageModel, Seq2Seq, Tagger
from tinyllm.nn.attention import KeyValues
from tinyllm.ops.cross_entropy import IGNORE


class Case(NamedTuple):
    """op: the name in tinyllm.ops, or a model's; option: what is special about this case; build: see above."""

    op: str
    option: str
    build: Callable

    @property
    def name(self):
        return f"{self.op}: {self.option}" if self.option else self.op


def _plain(op, option, *shapes, positive=False, **options):
    """A case of an op that takes arrays of these shapes and nothing else but options."""
    def build(rng):
        arrays = [rng.standard_normal(shape) for shape in shapes]
        arrays = [np.abs(a) + 0.5 for a in arrays] if positive else arrays
        return (lambda *tensors: getattr(ops, op)(*tensors, **options)), arrays, ()
    return Case(op, option, build)


def _listed(op, option, *shapes, **options):
    """The same for an op that takes a list of tensors."""
    def build(rng):
        return ((lambda *tensors: getattr(ops, op)(list(tensors), **options)),
                [rng.standard_normal(shape) for shape in shapes], ())
    return Case(op, option, build)


def _after(op, option, shape, *arguments):
    """The same for an op that takes one tensor and then something that has no gradient."""
    return Case(op, option, lambda rng: (
        (lambda x: getattr(ops, op)(x, *arguments)), [rng.standard_normal(shape)], ()))


def _recurrent(op, gates, option, T=4, biases=2, **options):
    """A recurrent op with B = 3, E = 4, H = 5 and its two biases, or none."""
    B, E, H = 3, 4, 5
    states = 2 if op == "lstm" else 1

    def build(rng):
        arrays = [rng.standard_normal(shape) for shape in [
            (B, T, E), *[(B, H)] * states, (gates * H, E), (gates * H, H), *[(gates * H,)] * biases]]
        return (lambda *tensors: getattr(ops, op)(*tensors, **options)), arrays, ()
    return Case(op, option, build)


def _of_table(op, gates, V=3):
    """A recurrent op with B = 3, T = 4, E = 4, H = 5 on rows of a table, each read several times."""
    def build(rng):
        (_, *arrays) = _recurrent(op, gates, "").build(rng)[1]
        return (lambda table, *tensors: getattr(ops, op)(ops.embedding(TOKEN_IDS, table), *tensors)), [
            rng.standard_normal((V, 4)), *arrays], ()
    return Case(op, "rows of a table", build)


def _tagged(option, T, valid=None, scale=1.0):
    """crf_nll with B = 3 and C = 3."""
    def build(rng):
        arrays = [scale * rng.standard_normal(shape) for shape in [(3, T, 3), (3, 3), (3,), (3,)]]
        return (lambda x, *scores: ops.crf_nll(x, TAGS[:, :T], *scores, valid=valid)), arrays, ()
    return Case("crf_nll", option, build)


def _layer(layer, option, **options):
    """A recurrent layer with its parameters, fed with padded rows."""
    def build(rng):
        module = getattr(nn, layer)(3, 4, rng=rng, dtype=np.float64, **options)
        return (lambda x: module(x, valid=PADDED)[0]), [rng.standard_normal((3, 4, 3))], module
    return Case(layer, option, build)


def _language_model(option, **options):
    def build(rng):
        sizes = {"embed_dim": 4, "hidden_dim": 6, "num_heads": 2, "rng": rng, "dtype": np.float64}
        model = LanguageModel(7, **{**sizes, **options})
        ids, targets = rng.integers(0, 7, (2, 5)), rng.integers(0, 7, (2, 5))
        return (lambda: model.loss(ids, targets, rng=np.random.default_rng(5))), [], model
    return Case("LanguageModel", option, build)


def _carried(option, context):
    """The loss of a second window: each call starts from the state that the first one left."""
    def build(rng):
        model = LanguageModel(7, embed_dim=4, hidden_dim=6, num_heads=2, rng=rng, dtype=np.float64)
        first, ids, targets = rng.integers(0, 7, (3, 2, 5))
        left = model.initial_state(2, context)
        model.hidden(first, left)
        arrays = left.arrays()

        def loss():
            state, dtype = model.initial_state(2, context), model.embedding.weight.dtype
            state.load({name: array.astype(dtype) for name, array in arrays.items()})
            return model.loss(ids, targets, state)
        return loss, [], model
    return Case("LanguageModel", option, build)


def _after_a_past(option):
    """SelfAttention of positions that see three earlier ones as well."""
    def build(rng):
        module = nn.SelfAttention(6, 2, rng=rng, dtype=np.float64)
        k, v = rng.standard_normal((2, 2, 3, 6))

        def f(x):
            past = KeyValues(2, 6, dtype=x.dtype)
            past.append(k, v)
            return module(x, causal=True, past=past)
        return f, [rng.standard_normal((2, 4, 6))], module
    return Case("SelfAttention", option, build)


def _cross_attention(option):
    """CrossAttention to a padded memory."""
    def build(rng):
        module = nn.CrossAttention(6, 3, 2, rng=rng, dtype=np.float64)
        return ((lambda x, memory: module(x, memory, SOURCES)),
                [rng.standard_normal((2, 3, 6)), rng.standard_normal((2, 5, 3))], module)
    return Case("CrossAttention", option, build)


def _pointer(option):
    """Pointer into a padded memory."""
    def build(rng):
        module = nn.Pointer(6, 3, rng=rng, dtype=np.float64)

        def f(h, memory):
            weights, gate = module(h, module.keys(memory), SOURCES)
            return weights * gate.reshape(*gate.shape, 1)
        return f, [rng.standard_normal((2, 3, 6)), rng.standard_normal((2, 5, 3))], module
    return Case("Pointer", option, build)


def _seq2seq(option, encoder, decoder, share_embeddings=False, **options):
    """The loss of two padded pairs."""
    def build(rng):
        sizes = {"embed_dim": 3, "hidden_dim": 4, "num_heads": 2, "rng": rng, "dtype": np.float64}
        model = Seq2Seq(Encoder(7, **sizes, **encoder), Decoder(7, **sizes, **decoder), 7, 10,
                        share_embeddings=share_embeddings)
        source, target, valid = rng.integers(4, 7, (2, 5)), rng.integers(4, 7, (2, 4)), PADDED[:2]
        features = rng.integers(-1, 5, (2, 5, 3)) if "num_features" in encoder else None
        return (lambda: model.loss(source, target, SOURCES, valid, rng=np.random.default_rng(5),
                                   source_features=features, **options)), [], model
    return Case("Seq2Seq", option, build)


def _of_text(model, option, **options):
    """The loss of padded texts: a Classifier's of their labels, a Tagger's of their tags."""
    def build(rng):
        sizes = {"embed_dim": 3, "hidden_dim": 4, "num_heads": 2, "rng": rng, "dtype": np.float64}
        module = model(7, 3, **{**sizes, **options})
        ids, targets = rng.integers(0, 7, (3, 4)), TAGS[:, 0] if model is Classifier else TAGS
        features = FEATURES if options.get("num_features") else None
        return (lambda: module.loss(ids, targets, PADDED, features, rng=np.random.default_rng(5))), [], module
    return Case(model.__name__, option, build)


PADDED = np.array([[True, True, True, True], [True, True, False, False], [True, False, False, False]])
MASK = np.array([[[True, False, False, False, False], [False, True, True, False, True], [True] * 5]] * 2)
SECOND_SEEN = MASK | (np.arange(5) == 1)  # with SOURCES, too, every row sees something
SOURCES = np.array([[True] * 5, [True, True, False, False, False]])
TARGETS = np.array([2, 0, IGNORE, 4])
IDS = np.array([[3, 0, 3], [3, 1, 0]])
TOKEN_IDS = np.array([[2, 0, 2, 2], [1, 1, 0, 2], [0, 0, 0, 2]])
BAGS = np.array([[[3, 0, 3], [-1, 1, 0]], [[-1, -1, -1], [2, -1, 3]]])
FEATURES = np.array([[[3, 0], [3, -1], [1, 1], [-1, -1]]] * 3)
TOKENS = np.array([[1, 1, 2, 0], [3, 5, 3, 3]])
TAGS = np.array([[2, 0, 1, 1], [0, 1, 2, 0], [2, 2, 0, 1]])

CASES = [
    _plain("add", "broadcast", (3, 4), (4,)), _plain("sub", "broadcast", (3, 4), (3, 1)),
    _plain("mul", "broadcast", (3, 4), (1, 4)), _plain("div", "broadcast", (3, 4), (3, 1), positive=True),
    _plain("neg", "", (3, 4)), _after("power", "3", (3, 4), 3), _plain("maximum", "", (3, 4), (3, 4)),
    _plain("exp", "", (3, 4)), _plain("log", "", (3, 4), positive=True), _plain("sqrt", "", (3, 4), positive=True),
    _plain("tanh", "", (3, 4)), _plain("sigmoid", "", (3, 4)), _plain("relu", "", (3, 4)),
    _after("reshape", "", (3, 4), 2, -1), _after("transpose", "", (3, 4)), _after("swapaxes", "", (2, 3, 4), 0, 2),
    _after("flip", "", (3, 4), 1), _after("getitem", "slice", (3, 4), (slice(None), slice(1, 3))),
    _after("getitem", "repeated ids", (4, 3), IDS), _listed("concatenate", "", (3, 2), (3, 4), axis=1),
    _listed("stack", "", (3, 2), (3, 2), axis=1),
    Case("where", "", lambda rng: ((lambda a, b: ops.where(PADDED, a, b)),
                                   [rng.standard_normal((3, 4)), rng.standard_normal((3, 4))], ())),
    _plain("sum", "all", (3, 4)), _plain("sum", "axis", (2, 3, 4), axis=1, keepdims=True),
    _plain("mean", "axis", (2, 3, 4), axis=(0, 2)), _plain("max", "axis", (3, 4), axis=1),
    _plain("matmul", "", (3, 4), (4, 2)), _plain("matmul", "batched, broadcast", (2, 3, 4), (4, 5)),

    _plain("linear", "", (2, 3, 5), (4, 5), (4,)), _plain("linear", "no bias", (3, 5), (4, 5)),
    Case("embedding", "repeated ids", lambda rng: (lambda w: ops.embedding(IDS, w), [rng.standard_normal((5, 3))], ())),
    Case("embedding_bag", "empty places, repeated ids", lambda rng: (
        lambda w: ops.embedding_bag(BAGS, w), [rng.standard_normal((5, 3))], ())),
    *[_recurrent(op, gates, option, **options) for op, gates in [("rnn", 1), ("gru", 3), ("lstm", 4)]
      for option, options in [("", {}), ("one step", {"T": 1}), ("valid", {"valid": PADDED}),
                              ("reverse", {"reverse": True}), ("no biases", {"biases": 0}),
                              ("valid, reverse", {"valid": PADDED, "reverse": True})]],
    *[_of_table(op, gates) for op, gates in [("rnn", 1), ("gru", 3), ("lstm", 4)]],
    _plain("softmax", "", (3, 5)), _plain("softmax", "mask", (2, 3, 5), mask=MASK),
    _plain("attention", "", (2, 3, 4), (2, 5, 4), (2, 5, 6)),
    _plain("attention", "two heads, causal, S > T", (2, 3, 4), (2, 5, 4), (2, 5, 6), num_heads=2, causal=True),
    _plain("attention", "valid", (2, 3, 4), (2, 5, 4), (2, 5, 4), num_heads=2, valid=SOURCES),
    _plain("attention", "mask, all but one hidden", (2, 3, 4), (2, 5, 4), (2, 5, 4), num_heads=2, mask=MASK),
    _plain("attention", "valid, causal", (2, 3, 4), (2, 5, 4), (2, 5, 4), num_heads=2, causal=True, valid=SOURCES),
    _plain("attention", "valid, mask", (2, 3, 4), (2, 5, 4), (2, 5, 4), valid=SOURCES, mask=SECOND_SEEN),
    _plain("self_attention", "", (2, 4, 12), num_heads=2),
    _plain("self_attention", "mask", (2, 5, 12), num_heads=2, mask=np.array([np.tri(5, dtype=bool).T] * 2)),
    _plain("self_attention", "causal", (2, 4, 18), num_heads=2, causal=True),
    _plain("self_attention", "valid", (2, 5, 12), num_heads=2, valid=SOURCES),
    _plain("cross_attention", "", (2, 3, 4), (2, 5, 8), num_heads=2),
    _plain("cross_attention", "valid", (2, 3, 4), (2, 5, 8), num_heads=2, valid=SOURCES),
    _plain("layer_norm", "", (2, 3, 5), (5,), (5,)), _plain("layer_norm", "no bias", (2, 3, 5), (5,)),
    Case("dropout", "", lambda rng: (
        lambda x: ops.dropout(x, 0.4, np.random.default_rng(3)), [rng.standard_normal((4, 5))], ())),
    _after("cross_entropy", "", (4, 5), np.array([2, 0, 1, 4])),
    _after("cross_entropy", "ignored targets", (4, 5), TARGETS),
    _after("cross_entropy", "label smoothing", (4, 5), TARGETS, 0.1),
    *[Case("linear_cross_entropy", option, lambda rng, bias=bias, smoothing=smoothing: (
        (lambda x, w, *b: ops.linear_cross_entropy(x, w, b[0] if b else None, TARGETS, smoothing)),
        [rng.standard_normal((4, 3)), rng.standard_normal((5, 3)), *[rng.standard_normal(5)] * bias], ()))
      for option, bias, smoothing in [("", 1, 0.0), ("no bias", 0, 0.0), ("label smoothing", 1, 0.1)]],
    Case("linear_cross_entropy", "x alone, ignored targets", lambda rng, w=np.linspace(-1, 1, 15).reshape(5, 3): (
        (lambda x: ops.linear_cross_entropy(x, Tensor(w.astype(x.dtype)), None, TARGETS)),
        [rng.standard_normal((4, 3))], ())),
    Case("copy_mixture", "", lambda rng: (
        (lambda z, a, u: ops.copy_mixture(z, a, u, TOKENS)),
        [rng.standard_normal((2, 3, 6)), rng.dirichlet(np.ones(4), (2, 3)), rng.standard_normal((2, 3))], ())),
    *[_tagged(option, T, **options) for option, T, options in [
        ("", 4, {}), ("one step", 1, {}), ("valid", 4, {"valid": PADDED}),
        ("scores far apart", 4, {"valid": PADDED, "scale": 30.0})]],

    _layer("RNN", "two layers, both directions", num_layers=2, bidirectional=True),
    _layer("GRU", "two layers, both directions", num_layers=2, bidirectional=True),
    _layer("LSTM", "two layers, both directions", num_layers=2, bidirectional=True),
    _after_a_past("causal, after a past"),
    *[_language_model(cell, cell=cell) for cell in ("gru", "lstm", "rnn")],
    _language_model("two layers of each, dropout", num_layers=2, num_attention_layers=2, dropout=0.2),
    _language_model("tied weights", tie_weights=True, embed_dim=6),
    _language_model("tied weights, projection, no attention", tie_weights=True, num_attention_layers=0),
    _carried("a carried state", None), _carried("a carried state, context 0", 0),
    _cross_attention("valid"),
    _pointer("padded"),
    _seq2seq("gru, label smoothing", {"bidirectional": False}, {}, label_smoothing=0.1),
    _seq2seq("lstm, two layers, dropout, one tied embedding", {"cell": "lstm", "num_attention_layers": 0},
             {"cell": "lstm", "num_layers": 2, "num_attention_layers": 0, "tie_weights": True, "dropout": 0.2},
             share_embeddings=True),
    _seq2seq("gru, may copy", {"num_features": 5}, {"copies": True, "tie_weights": True}, share_embeddings=True),
    _seq2seq("rnn, fed what it writes", {"cell": "rnn", "num_attention_layers": 0}, {"cell": "rnn"},
             teacher_forcing_ratio=0.0),
    _of_text(Classifier, "features, dropout", num_features=4, dropout=0.2),
    _of_text(Classifier, "lstm, two layers, no attention", cell="lstm", num_layers=2, num_attention_layers=0),
    _of_text(Tagger, "features, dropout", num_features=4, dropout=0.2),
    _of_text(Tagger, "rnn, one direction, no CRF", cell="rnn", bidirectional=False, crf=False),
]
