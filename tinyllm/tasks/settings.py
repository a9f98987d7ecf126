"""What a training can be asked for, and what it does where it is not: the command line and Python read the same tables.

The meaning of each is what `tinyllm pretrain --help` and `tinyllm finetune TASK --help` say.
"""
from tinyllm.data.readers import file_list
from tinyllm.training.options import BUDGETS

CELLS = ("gru", "lstm", "rnn")
ERRORS = ("strict", "replace")
SEARCH = ("beam", "length_penalty")  # how seq2seq looks for its output
BEAM, LENGTH_PENALTY = 5, 1.0
MOST_BEAM = 1000  # hypotheses: memory and time grow with them, what is found does not
DECODED = 500  # records of dev, at most, that an evaluation of seq2seq during training writes out
TRUNCATE = ("end", "start")
TOKENIZERS = {"lm": ("char", "word", "bpe"), "classify": ("token", "char", "bpe"), "tag": ("token", "char"),
              "seq2seq": ("bpe", "word", "char")}
READING = {  # what says how files are read
    "lm": ("errors",), "classify": ("format", "fields", "columns", "errors"), "tag": ("columns", "errors"),
    "seq2seq": ("format", "fields", "columns", "errors")}
LM_WORDS, LM_BPE = 20_000, 4096  # tokens, at most, where no vocab_size is given: of a language model,
BPE = 8000                       # of the other tasks
FROM_RUN = (  # what a model that starts from a pretrained one has from it
    "cell", "embed_dim", "hidden_dim", "num_layers", "num_attention_layers", "num_heads", "tie_weights", "tokenizer",
    "vocab_size")
FROM_EMBEDDINGS = ("embed_dim", "tokenizer", "vocab_size")  # what one has that reads with the embeddings of another

MODEL = {
    "cell": "gru", "embed_dim": 128, "hidden_dim": 512, "num_layers": 1, "num_attention_layers": 1, "num_heads": 8,
    "dropout": 0.2}
TRAINING = {
    "steps": None, "epochs": None, "minutes": None, "batch_size": 32, "accumulate": 1,
    "lr": 4e-3, "warmup": 0.02, "weight_decay": 0.01, "clip": 1.0, "average": 0.0,
    "patience": None, "evaluate_every": None, "seed": 0}

PRETRAIN = {
    "files": (), "errors": "strict", "valid": None, "valid_fraction": 0.1,
    "tokenizer": "char", "vocab_size": None,
    **MODEL, "tie_weights": False,
    **TRAINING, "seq_len": 128, "shuffle": False, "reverse": False, "embeddings_from": None}

SUPERVISED = {
    "train": (), "dev": (), "select": None, "columns": None, "errors": "strict",
    "from_run": None, "from_reversed": None, "from_lr": 1.0,
    "vocab_size": None, "max_len": 256,
    **MODEL, "hidden_dim": 256, "num_heads": 4, "dropout": 0.4,
    **TRAINING, "lr": 2e-3, "warmup": 0.05, "average": 0.99, "word_dropout": 0.0}
# features None: the usual kinds; False or (): none.  One that a single token of training has says nothing about others
OF_TOKENS = {"tokenizer": "token", "features": None, "max_features": 50_000, "min_count": 2, "word_dropout": 0.1}
OF_TEXTS = {"format": None, "fields": None, "label_smoothing": 0.1}  # not of tag, whose files have one format

FINETUNE = {
    "classify": {**SUPERVISED, **OF_TEXTS, **OF_TOKENS},
    "tag": {**SUPERVISED, **OF_TOKENS, "crf": True},
    "seq2seq": {**SUPERVISED, **OF_TEXTS, "tokenizer": "bpe", "max_len": 100, "max_target_len": None,
                "truncate": "end", "sentences": False, "embed_dim": 256, "hidden_dim": 512, "num_heads": 8,
                "batch_size": 64, "tie_weights": True, "copy": False, "teacher_forcing_ratio": 1.0},
}
SELECT = {  # what an evaluation on dev gives; the first decides which weights are kept unless "select" names another
    "classify": ("accuracy", "macro_f1", "valid_loss"),
    "tag": ("f1", "precision", "recall", "valid_loss"),
    "seq2seq": ("chrf", "bleu", "exact_match", "rouge_1", "valid_loss"),
}
MINUTES = {"lm": 10.0, "classify": 5.0, "tag": 10.0, "seq2seq": 20.0}  # the budget where none is given


def complete(verb, table, task, settings):
    """All of the table, with these settings instead of its defaults; lists of files where one is given; a budget where
    none is.

    Raises ValueError for a name that is not among them, and for a value that is not one of a few.
    """
    if unknown := sorted(set(settings) - set(table)):
        raise ValueError(f"{verb}: settings must be among {', '.join(table)}, got {', '.join(unknown)}")
    settings = {**table, **settings}
    few = {"tokenizer": TOKENIZERS[task], "cell": CELLS, "errors": ERRORS, "truncate": TRUNCATE}
    if settings.get("from_run"):
        del few["tokenizer"]  # it is the pretrained run's, of whatever kind
    for name, choices in few.items():
        if name in settings and settings[name] not in choices:
            raise ValueError(f"{verb}: {name} must be one of {', '.join(choices)}, got {settings[name]!r}")
    for name in ("files", "train", "dev"):
        if name in settings:
            settings[name] = file_list(verb, settings[name]) if settings[name] else []
    if all(settings[name] is None for name in BUDGETS):
        settings["minutes"] = MINUTES[task]
    return settings


def check_seq2seq(settings):
    """Raise ValueError for settings of seq2seq that do not go together."""
    rules = {"sentences": {"tokenizer": "word", "from_run": None, "word_dropout": 0, "copy": False},
             "copy": {"word_dropout": 0}}  # a word that was dropped cannot be copied
    for setting, others in rules.items():
        for name, expected in others.items():
            if settings[setting] and settings[name] != expected:
                raise ValueError(f"{setting}: {name} must be {expected!r} with it, got {settings[name]!r}")


def inherited(verb, settings, given, own, source):
    """The settings with what a pretrained run decides: own, which it has, whether or not they are among the settings.

    Raises ValueError where another value was given.  source: the run
    """
    own = {name: value for name, value in own.items() if name in settings}
    for name, value in own.items():
        if given.get(name) not in (None, value):
            raise ValueError(f"{verb}: {name} must be {value!r} as in {source}, or left out, got {given[name]!r}")
    return settings | own
