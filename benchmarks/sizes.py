"""The reference work: sizes of the models, and how much of it one round does."""
import numpy as np

SIZES = {
    "S": {"vocab_size": 65, "embed_dim": 128, "hidden_dim": 256, "num_layers": 1, "num_attention_layers": 1,
          "num_heads": 4, "cell": "gru", "batch": 32, "seq_len": 128},
    "M": {"vocab_size": 8000, "embed_dim": 256, "hidden_dim": 512, "num_layers": 2, "num_attention_layers": 1,
          "num_heads": 4, "cell": "gru", "batch": 32, "seq_len": 64},
    "seq2seq": {"vocab_size": 8000, "embed_dim": 256, "hidden_dim": 512, "num_layers": 1, "num_attention_layers": 1,
                "num_heads": 8, "cell": "gru", "batch": 64, "seq_len": 30},
}
SIZES["S-lstm"] = {**SIZES["S"], "cell": "lstm"}
GROWTH = {  # axis -> its name in SIZES, the values: S grows along one axis at a time
    "T": ("seq_len", [64, 128, 256, 512, 1024]), "B": ("batch", [1, 2, 4, 8, 16, 32, 64, 128]),
    "H": ("hidden_dim", [64, 128, 256, 512, 1024]), "V": ("vocab_size", [64, 1000, 8000, 32000])}
SIZES |= {f"S-{axis}{value}": {**SIZES["S"], name: value} for axis, (name, values) in GROWTH.items()
          for value in values}
TRAIN_STEPS = {"S": 8, "S-lstm": 8, "M": 3, "seq2seq": 2}  # steps in a round: about a second; of others it is measured
TOKENS = 256  # that a round of generation writes in each text
SENTENCE = 8, 30  # tokens of the shortest and of the longest sentence to translate
SPECIAL = BOS, EOS = 2, 3  # tinyllm.text has them too, but would load Numba where PyTorch's memory is measured


def model_options(size):
    """The arguments of a model for a size."""
    return {name: value for name, value in SIZES[size].items() if name not in ("batch", "seq_len")}


def our_model(size, weights=None):
    """Our model of a size, with these weights (name -> array) or new ones."""
    options, rng = model_options(size), np.random.default_rng(0)
    if size == "seq2seq":
        from tinyllm.tasks import seq2seq
        from tinyllm.tasks.settings import FINETUNE
        settings = {**FINETUNE["seq2seq"], **options, "dropout": 0.0}
        model = seq2seq.make_model(seq2seq.model_config(settings, Numbers(size), {}), rng)
    else:
        from tinyllm.models import LanguageModel
        model = LanguageModel(**options, rng=rng)
    if weights is not None:
        model.load_state_dict(weights)
    return model


def batches(size, rng, count=4):
    """What model.loss takes, `count` times.  Random ids: what is learnt does not change how long it takes.

    A language model's ids and targets, (B, T) each; or sources (B, T) and targets (B, T - 1), which EOS makes T.
    """
    B, T, V = (SIZES[size][name] for name in ("batch", "seq_len", "vocab_size"))
    if size == "seq2seq":
        return [(rng.integers(max(SPECIAL) + 1, V, (B, T)), rng.integers(max(SPECIAL) + 1, V, (B, T - 1)))
                for _ in range(count)]
    ids = rng.integers(0, V, (count, B, T + 1))
    return [(np.ascontiguousarray(each[:, :-1]), np.ascontiguousarray(each[:, 1:])) for each in ids]


def sentences(size, count, rng):
    """Random texts for Numbers, of lengths drawn evenly."""
    shortest, longest = SENTENCE
    return [" ".join(map(str, rng.integers(max(SPECIAL) + 1, SIZES[size]["vocab_size"], length)))
            for length in rng.integers(shortest, longest + 1, count)]


class Numbers:
    """A tokenizer for texts that are ids, in figures: it takes no time beside the model."""

    type = "word"

    def __init__(self, size):
        self.vocab_size = SIZES[size]["vocab_size"]

    def encode(self, text):
        return np.array(text.split(), np.int64)

    def decode(self, ids):
        return " ".join(map(str, ids))
