"""What a run folder says about a model, checked before a model of that size is made.

Files of our own have checksums; those of another program have none, and every entry of their config.json may be
missing, of another kind, or larger than any memory.
"""
import numpy as np

from tinyllm import text as tokenizers
from tinyllm.checked_json import brief
from tinyllm.models.language_model import CELLS
from tinyllm.tasks.settings import TRUNCATE
from tinyllm.training import sizes
from tinyllm.training.run_folder import CONFIG, MODEL, TOKENIZER, RunFolder, RunFolderError


def _whole(least):
    """What a size must be, and whether a value is one: kernels count in integers of limited size."""
    return f"a whole number from {least}", lambda value: type(value) is int and least <= value < 2**31


SIZES = {
    **{name: _whole(1) for name in ("vocab_size", "embed_dim", "hidden_dim", "num_layers", "num_heads")},
    "num_attention_layers": _whole(0),
    "cell": (f"one of {', '.join(CELLS)}", lambda value: isinstance(value, str) and value in CELLS),
    "dropout": ("a number from 0 to below 1", lambda value: type(value) in (int, float) and 0 <= value < 1)}
YES_OR_NO = "true or false", lambda value: isinstance(value, bool)
MAYBE = "true, false or left out", lambda value: value is None or isinstance(value, bool)  # older runs lack it
SHARED = "true", lambda value: value is True
CUT = f"one of {', '.join(TRUNCATE)}, or left out", lambda value: value in (None, *TRUNCATE)  # None: as the first
ENCODER = {**SIZES, "bidirectional": YES_OR_NO, "num_features": _whole(0)}
DECODER = {**SIZES, "memory_dim": _whole(1), "tie_weights": YES_OR_NO, "copies": MAYBE}


def _names(least):
    """A list of at least so many different names, and whether a value is one."""
    return f"a list of at least {least} different names", lambda value: (
        isinstance(value, list) and len(value) >= least and all(isinstance(name, str) for name in value)
        and len(set(value)) == len(value))


def _within(part, entries):
    return {f"{part}.{name}": entry for name, entry in entries.items()}


ENTRIES = {  # of config.json, for each task: what each must be, and whether a value is that
    "lm": {**_within("model", {**SIZES, "tie_weights": YES_OR_NO}), "training.seq_len": _whole(1)},
    "classify": {**_within("model", {**ENCODER, "num_classes": _whole(2)}),
                 "about.labels": _names(2), "training.max_len": _whole(1)},
    "tag": {**_within("model", {**ENCODER, "num_tags": _whole(1), "crf": YES_OR_NO}),
            "about.tags": _names(1), "training.max_len": _whole(1)},
    "seq2seq": {**_within("model.encoder", ENCODER), **_within("model.decoder", DECODER),
                "model.max_seq_len": _whole(1), "model.share_embeddings": SHARED, "training.max_len": _whole(1),
                "training.truncate": CUT},
}
KINDS = {"lm": ("char", "word", "bpe"), "classify": ("featured", "bpe"), "tag": ("featured",),  # of tokenizers
         "seq2seq": ("char", "word", "bpe", "sentences")}
NUMBERS = {"lm": sizes.language_model, "classify": sizes.classifier, "tag": sizes.tagger, "seq2seq": sizes.seq2seq}


def checked_config(run):
    """The arguments of the task's model; RunFolderError names config.json and the entry that is wrong or missing."""
    path, entries = run.path / CONFIG, ENTRIES[run.config["task"]]
    for entry, (expected, fits) in entries.items():
        value = _entry(run.config, entry)
        if not fits(value):
            raise RunFolderError(f"{path}: {entry} must be {expected}, got {brief(value)}")
    for part in {entry.rpartition(".")[0] for entry in entries if entry.startswith("model.")} | {"model"}:
        for name in _entry(run.config, part):
            if not any(entry == f"{part}.{name}" or entry.startswith(f"{part}.{name}.") for entry in entries):
                raise RunFolderError(f"{path}: {part} has an entry that this version does not know, {brief(name)}")
    model = run.config["model"]
    for part, sizes_of in [("model", model), *((f"model.{name}", model[name]) for name in ("encoder", "decoder")
                                               if name in model)]:
        if sizes_of.get("num_attention_layers") and sizes_of["hidden_dim"] % sizes_of["num_heads"]:
            raise RunFolderError(f"{path}: {part}.num_heads must divide {part}.hidden_dim, got "
                                 f"{sizes_of['num_heads']} and {sizes_of['hidden_dim']}")
    return model


def _entry(config, path):
    """The value at a path of names, None where there is none."""
    for name in path.split("."):
        config = config.get(name) if isinstance(config, dict) else None
    return config


def check_resumable(run, task, **entries):
    """RunFolderError unless the run is of this task and its config.json has the entries, name=type, to go on with."""
    if run.config["task"] != task:
        raise RunFolderError(f"{run.path}: its task is {run.config['task']}, not {task}")
    for name, kind in entries.items():
        if not isinstance(run.config.get(name), kind):
            raise RunFolderError(f"{run.path / CONFIG}: {name} must be there to go on with the run, got "
                                 f"{brief(run.config.get(name))}")


def check_same_data(run, data, unit, **parts):
    """ValueError unless data are those that the run was started with.

    parts  what a part is called -> the names of its sha256 and of its number of units in data
    """
    for part, (sha256, number) in parts.items():
        before, now = run.config["data"].get(number), data[number]
        if data[sha256] != run.config["data"].get(sha256) or before != now:
            raise ValueError(f"{run.path}: the {part} must be what the run was started with, {brief(before)} {unit}, "
                             f"got {now} {'others' if before == now else unit}")


def language_model(path):
    """config, tokenizer, weights and training settings of a pretrained run, to start another model from."""
    run = RunFolder.open(path)
    if run.config["task"] != "lm":
        raise RunFolderError(f"{path}: a start must be a language model (tinyllm pretrain), its task is "
                             f"{run.config['task']}")
    config = checked_config(run)
    return config, checked_tokenizer(run, config["vocab_size"]), checked_weights(run), run.config["training"]


def supervised(run):
    """config, what the task keeps about its data, tokenizer and max_len of a run."""
    config = checked_config(run)
    about, task = run.config.get("about"), run.config["task"]
    named = {"classify": ("labels", "num_classes"), "tag": ("tags", "num_tags")}.get(task)
    if named and len(about[named[0]]) != config[named[1]]:
        raise RunFolderError(f"{run.path / CONFIG}: model.{named[1]} must be the number of about.{named[0]}, got "
                             f"{config[named[1]]} and {len(about[named[0]])}")
    if task == "seq2seq":
        _check_halves(run, config)
    encoder = config.get("encoder") or config  # a model of one half has no name for it
    tokenizer = checked_tokenizer(run, encoder["vocab_size"])
    features = getattr(tokenizer, "num_features", 0)
    if features != encoder["num_features"]:
        raise RunFolderError(f"{run.path / TOKENIZER}: has {features} features, num_features in {CONFIG} is "
                             f"{encoder['num_features']}")
    return config, about, tokenizer, run.config["training"]["max_len"]


def trained(run, make_model):
    """The model of a trained run, made by make_model(config, rng), and the rest of what supervised() gives."""
    config, about, tokenizer, max_len = supervised(run)
    weights = checked_weights(run)  # before a model of the config's sizes is made
    model = make_model(config, np.random.default_rng(0))
    load_weights(model, weights, run)
    return model, about, tokenizer, max_len


def _check_halves(run, config):
    """Encoder and decoder share their vocabulary and its embeddings."""
    encoder, decoder = config["encoder"], config["decoder"]
    for of_encoder, of_decoder in [("vocab_size", "vocab_size"), ("embed_dim", "embed_dim"),
                                   ("hidden_dim", "memory_dim"), ("cell", "cell")]:
        if encoder[of_encoder] != decoder[of_decoder]:
            raise RunFolderError(f"{run.path / CONFIG}: model.encoder.{of_encoder} and model.decoder.{of_decoder} must "
                                 f"be the same, got {encoder[of_encoder]} and {decoder[of_decoder]}")


def checked_tokenizer(run, vocab_size):
    """The tokenizer, which has as many ids as the model; RunFolderError names what is wrong with tokenizer.json."""
    path = run.path / TOKENIZER
    if run.tokenizer_json is None:
        raise RunFolderError(f"{path}: is missing")
    try:
        tokenizer = tokenizers.tokenizer_from_json(run.tokenizer_json)
    except ValueError as error:
        raise RunFolderError(f"{path}: {error}") from None
    if tokenizer.type not in KINDS[run.config["task"]]:
        raise RunFolderError(f"{path}: type must be one of {', '.join(KINDS[run.config['task']])}, got "
                             f"{tokenizer.type!r}")
    if tokenizer.vocab_size != vocab_size:
        raise RunFolderError(f"{path}: has {tokenizer.vocab_size} tokens, model.vocab_size in {CONFIG} is {vocab_size}")
    return tokenizer


def checked_weights(run):
    """The arrays of model.safetensors, as many numbers as the config says: a model of its sizes fits where they did."""
    path, arrays = run.path / MODEL, run.load_model()
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            raise RunFolderError(f"{path}: tensor {brief(name)} must be floating point, got {array.dtype}")
    total, expected = sum(array.size for array in arrays.values()), NUMBERS[run.config["task"]](run.config["model"])
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
