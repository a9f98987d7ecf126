"""What a run folder says about a language model, checked before a model of that size is made.

Files of our own have checksums; those of another program have none, and every entry of their config.json may be
missing, of another kind, or larger than any memory.
"""
from tinyllm import text as tokenizers
from tinyllm.checked_json import brief
from tinyllm.models.language_model import CELLS
from tinyllm.training.memory import num_parameters
from tinyllm.training.run_folder import CONFIG, MODEL, TOKENIZER, RunFolderError


def _whole(least):
    """What a size must be, and whether a value is one: kernels count in integers of limited size."""
    return f"a whole number from {least}", lambda value: type(value) is int and least <= value < 2**31


ENTRIES = {  # of config.json: what each must be, and whether a value is that
    **{f"model.{name}": _whole(1) for name in ("vocab_size", "embed_dim", "hidden_dim", "num_layers", "num_heads")},
    "model.num_attention_layers": _whole(0),
    "model.cell": (f"one of {', '.join(CELLS)}", lambda value: isinstance(value, str) and value in CELLS),
    "model.dropout": ("a number from 0 to below 1", lambda value: type(value) in (int, float) and 0 <= value < 1),
    "model.tie_weights": ("true or false", lambda value: isinstance(value, bool)),
    "training.seq_len": _whole(1),
}


def checked_config(run):
    """The arguments of LanguageModel; RunFolderError names config.json and the entry that is wrong or missing."""
    path, config = run.path / CONFIG, run.config
    for entry, (expected, fits) in ENTRIES.items():
        part, name = entry.split(".")
        value = config[part].get(name) if isinstance(config.get(part), dict) else None
        if not fits(value):
            raise RunFolderError(f"{path}: {entry} must be {expected}, got {brief(value)}")
    model = config["model"]
    for name in model:
        if f"model.{name}" not in ENTRIES:
            raise RunFolderError(f"{path}: model has an entry that this version does not know, {brief(name)}")
    if model["num_attention_layers"] and model["hidden_dim"] % model["num_heads"]:
        raise RunFolderError(f"{path}: model.num_heads must divide model.hidden_dim, got {model['num_heads']} and "
                             f"{model['hidden_dim']}")
    return model


def checked_tokenizer(run, config):
    """The tokenizer, which has as many ids as the model; RunFolderError names what is wrong with tokenizer.json."""
    path = run.path / TOKENIZER
    if run.tokenizer_json is None:
        raise RunFolderError(f"{path}: is missing")
    try:
        tokenizer = tokenizers.tokenizer_from_json(run.tokenizer_json)
    except ValueError as error:
        raise RunFolderError(f"{path}: {error}") from None
    if tokenizer.vocab_size != config["vocab_size"]:
        raise RunFolderError(f"{path}: has {tokenizer.vocab_size} tokens, model.vocab_size in {CONFIG} is "
                             f"{config['vocab_size']}")
    return tokenizer


def checked_weights(run, config):
    """The arrays of model.safetensors, as many numbers as the config says: a model of its sizes fits where they did."""
    path, arrays = run.path / MODEL, run.load_model()
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            raise RunFolderError(f"{path}: tensor {brief(name)} must be floating point, got {array.dtype}")
    total, expected = sum(array.size for array in arrays.values()), num_parameters(config)
    if total != expected:
        raise RunFolderError(f"{path}: holds {total} numbers, a model of the sizes in {CONFIG} has {expected}")
    return arrays


def load_weights(model, arrays, run):
    """The model takes over the arrays; RunFolderError names those that are of another model."""
    try:
        model.load_state_dict(arrays)
    except ValueError as error:
        what = str(error).encode("unicode_escape").decode()[:300]  # names from a file: one line, and not too long
        raise RunFolderError(f"{run.path / MODEL}: not the weights of the model in {CONFIG} ({what})") from None
