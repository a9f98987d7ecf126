"""What a training can be asked for, and what it does where it is not: the command line and Python read the same table.

The meaning of each is what `tinyllm pretrain --help` says.
"""
BUDGETS = ("steps", "epochs", "minutes")

PRETRAIN = {
    "files": (), "errors": "strict", "valid": None, "valid_fraction": 0.1,
    "tokenizer": "char", "vocab_size": None,
    "cell": "gru", "embed_dim": 128, "hidden_dim": 512, "num_layers": 1, "num_attention_layers": 1, "num_heads": 8,
    "dropout": 0.2, "tie_weights": False,
    "steps": None, "epochs": None, "minutes": None,
    "batch_size": 32, "seq_len": 128, "shuffle": False, "accumulate": 1,
    "lr": 4e-3, "warmup": 0.02, "weight_decay": 0.01, "clip": 1.0, "average": 0.0,
    "patience": None, "evaluate_every": None, "seed": 0,
}
MINUTES = 10.0  # the budget where none is given


def complete(settings):
    """All of PRETRAIN, with these instead of the defaults.

    Raises ValueError for a name that is not among them.
    """
    if unknown := sorted(set(settings) - set(PRETRAIN)):
        raise ValueError(f"pretrain: settings must be among {', '.join(PRETRAIN)}, got {', '.join(unknown)}")
    settings = {**PRETRAIN, **settings}
    if all(settings[name] is None for name in BUDGETS):
        settings["minutes"] = MINUTES
    return settings
