"""What learning from labels has in common: data, a model from nothing or from a pretrained one, training, a run folder.

A task module (classify, tag, seq2seq) has:

    UNIT                                      what a target is called in the progress
    read(files, settings)                     records; ValueError with file and line
    make_tokenizer(records, settings, tokenizer)  of the records; tokenizer: what a pretrained run brings, or None
    describe(records)                         what config.json keeps beside the model: the labels, ...; {} where nothing
    model_config(settings, tokenizer, about)  the arguments of its model
    make_model(config, rng)                   the model
    check_dev(dev, about)                     ValueError where dev has a label that the training data never had
    transfer(model, pretrained)               take over what fits: the names taken and the names new
    load(run)                                 the trained model of a run folder
    Task(tokenizer, records, dev, settings, about, rng)     what the training loop works with, once it has its model
"""
import dataclasses
import hashlib
import importlib
import json
from pathlib import Path

import numpy as np

from tinyllm.autograd import no_grad
from tinyllm.data.padded import PaddedBatches
from tinyllm.models.transfer import take_over
from tinyllm.tasks import stored
from tinyllm.tasks.inputs import Inputs, drop_words
from tinyllm.tasks.settings import FINETUNE, FROM_RUN, SELECT, check_seq2seq, complete, inherited
from tinyllm.tasks.vocabularies import check_features
from tinyllm.text import UNK
from tinyllm.training import memory
from tinyllm.training.options import BUDGETS

BETAS = (0.9, 0.99)  # a second moment that follows: runs here are thousands of steps, not millions


class SupervisedTask:
    """What the training loop needs to know, but for loss, targets_in and evaluate, which a task adds, and
    learnt_from() -> the Inputs of the training examples.

    trained   what scores the model on the way; it has no model before start()
    lengths   of the training examples in tokens: one each, or one a side
    decides   the field of an evaluation by which weights are kept
    remarks   sentences for whoever started the training
    """

    def __init__(self, trained, lengths, settings, valid_targets, rng):
        self.trained, self.settings, self.valid_targets = trained, settings, valid_targets
        self.decides = settings["select"] or SELECT[trained.task][0]
        self.batches = PaddedBatches(lengths, settings["batch_size"], rng=rng)
        # batches are of similar length: the largest is as long as the longest example
        self.largest = [int(longest) * settings["batch_size"] for longest in np.atleast_1d(np.max(lengths, axis=0))]

    def start(self, model):
        """Train this model."""
        self.model = self.trained.model = model

    def named_parameters(self):
        return self.model.named_parameters()

    def criterion(self, fields):
        """Of the field that decides the smaller the better; ties, which scores of few examples have, by loss."""
        value = fields[self.decides]
        return value if self.decides == "valid_loss" else -value, fields["valid_loss"]

    def state_dict(self):
        """Nothing is carried from batch to batch."""
        return {}

    def load_state_dict(self, arrays):
        """The way back."""


class EncoderTask(SupervisedTask):
    """The same where the model is an encoder with an output layer: examples is a list of Input."""

    def __init__(self, trained, examples, settings, valid_targets, rng):
        super().__init__(trained, [len(example.ids) for example in examples], settings, valid_targets, rng)
        self.examples = examples
        features = getattr(trained.tokenizer, "features", None)
        self.naming = features.naming if features else 0

    def learnt_from(self):
        return self.examples

    def estimate(self, config):
        """{part: bytes} that training takes."""
        return memory.estimate_classifier(config, self.settings, *self.largest, slots=Inputs.slots(self.examples))

    def batch(self, indices, rng):
        """ids (B, T), valid (B, T), features (B, T, K) or None of these examples; words are dropped where rng is."""
        ids, valid, features = Inputs.batch([self.examples[i] for i in indices])
        ids, features = drop_words(ids, valid, features, self.settings["word_dropout"], rng, self.naming)
        return ids, valid, features


def finetune(name, out, settings=None, *, resume=False, force=False, progress=None):
    """Train a model of the task `name` as the settings (tasks/settings.py) say, in the run folder `out`.

    resume  go on with the run in `out`: of the settings only a budget counts, the others are those it was started with
    force   replace a run in `out`, and train even where the memory seems too small; with resume the latter alone

    Returns the result of the training, with the validation fields of the best weights.
    """
    from tinyllm import __version__
    from tinyllm.training import loop
    from tinyllm.training.progress import Progress
    from tinyllm.training.run_folder import RunFolder

    if name not in FINETUNE:
        raise ValueError(f"finetune: the task must be one of {', '.join(FINETUNE)}, got {name!r}")
    module = importlib.import_module(f"tinyllm.tasks.{name}")
    progress, pretrained = progress or Progress(unit=module.UNIT), None
    if resume:
        run = RunFolder.open(out)
        stored.check_resumable(run, name, training=dict, data=dict, taken=list)
        settings = {**FINETUNE[name], **run.config["training"],
                    **{budget: (settings or {}).get(budget) for budget in BUDGETS}}
    else:
        run, given = None, settings or {}
        settings = complete(f"finetune {name}", FINETUNE[name], name, given)
        if settings["from_run"]:
            pretrained = Pretrained(settings["from_run"], settings["from_reversed"])
            settings = inherited(f"finetune {name}", settings, given, pretrained.settings(), settings["from_run"])
        if "features" in settings:  # numbers that are the defaults stand in the settings of every run
            check_features(settings, {each for each in given if given[each] not in (None, FINETUNE[name][each])})
    if name == "seq2seq":
        check_seq2seq(settings)
    _check_select(name, settings, resume)
    records = module.read(settings["train"], settings)
    dev = module.read(settings["dev"], {**settings, "dev": True}) if settings["dev"] else None
    data = {"sha256": _sha256(records), "train_records": len(records),
            "dev_sha256": _sha256(dev or []), "dev_records": len(dev or [])}
    of_weights, of_batches = map(np.random.default_rng, np.random.SeedSequence(settings["seed"]).spawn(2))
    if run is None:
        tokenizer = module.make_tokenizer(records, settings, pretrained and pretrained.tokenizer)
        about = module.describe(records)
        config = module.model_config(settings, tokenizer, about)
    else:
        stored.check_same_data(run, data, "records", **{"data of --train": ("sha256", "train_records"),
                                                        "data of --dev": ("dev_sha256", "dev_records")})
        config, about, tokenizer, _ = stored.supervised(run)
    if dev is not None:
        module.check_dev(dev, about)
    task = module.Task(tokenizer, records, dev, settings, about, of_batches)
    memory.check_fits(task.estimate(config), force=force)
    task.start(module.make_model(config, of_weights))
    if pretrained is not None:
        taken, new = module.transfer(task.model, pretrained)
        runs = " and ".join(str(settings[run]) for run in ("from_run", "from_reversed") if settings[run])
        task.remarks.append(f"taken over from {runs}: {_named(taken, new)}; new: {_named(new, taken)}")
        unknown = np.concatenate([each.ids for each in task.learnt_from()]) == UNK
        task.remarks.append(f"its tokenizer does not know {unknown.mean():.1%} of the {len(unknown):,} training tokens")
    else:
        taken = [] if run is None else run.config["taken"]
    optimizer = _optimizer(task.model, set(taken), settings)
    options = dataclasses.replace(loop.TrainingOptions.of(settings), lr=None)  # each group of parameters has its own
    if run is None:
        with no_grad():
            task.loss(np.arange(1), np.random.default_rng(0))  # what cannot be learnt from replaces no run
        run = RunFolder.create(out, {
            "format": 1, "tinyllm": __version__, "task": name, "model": config, "training": _absolute(settings),
            "data": data, "about": about, "taken": taken}, tokenizer.to_json(), force=force)
        for sentence in task.remarks:
            progress.message(sentence)
    result = loop.train(task, optimizer, run, options, progress=progress, resume=resume)
    return {"run": str(out), **result}


def _check_select(name, settings, resume):
    """ValueError for a field that evaluations of the task do not have, or where there is nothing to evaluate on, unless
    a run that was begun so goes on."""
    select = settings["select"]
    if select not in (None, *SELECT[name]):
        raise ValueError(f"finetune {name}: select must be one of {', '.join(SELECT[name])}, got {select!r}")
    for setting in ("patience", "select"):
        if settings[setting] and not (settings["dev"] or resume):
            raise ValueError(f"finetune {name}: {setting} needs dev, got {settings[setting]!r} without one")


class Pretrained:
    """A language model's run as the start of another model: its config, tokenizer and weights.

    reverse  the weights of a second one, pretrained on reversed text, or None
    """

    def __init__(self, run, run_of_reversed=None):
        self.config, self.tokenizer, self.weights, training = stored.language_model(run)
        if training.get("reverse"):
            raise ValueError(f"{run}: was pretrained on reversed text, give it as --from-reversed")
        self.reverse = None
        if run_of_reversed:
            config, tokenizer, self.reverse, training = stored.language_model(run_of_reversed)
            if not training.get("reverse"):
                raise ValueError(f"{run_of_reversed}: was not pretrained on reversed text (pretrain --reverse)")
            for size in ("cell", "embed_dim", "hidden_dim", "num_layers"):
                if config[size] != self.config[size]:
                    raise ValueError(f"{run_of_reversed}: {size} must be {self.config[size]!r} as in {run}, got "
                                     f"{config[size]!r}")
            if tokenizer.to_json() != self.tokenizer.to_json():
                raise ValueError(f"{run_of_reversed}: has another tokenizer than {run}")
            if not np.array_equal(*(arrays["embedding.weight"] for arrays in (self.weights, self.reverse))):
                raise ValueError(f"{run_of_reversed}: has other embeddings than {run} "
                                 f"(pretrain --reverse --embeddings-from {run})")

    def settings(self):
        """What a model that starts from it has from it."""
        own = {**self.config, "tokenizer": self.tokenizer.type}
        return {name: own[name] for name in FROM_RUN}


def transfer(model, pretrained, *parts):
    """Take over what fits into these parts of a model (attributes): the names taken, the names new."""
    taken = {f"{part}.{name}" for part in parts
             for name in take_over(getattr(model, part), pretrained.weights, pretrained.reverse)[0]}
    names = [name for name, _ in model.named_parameters()]
    return [name for name in names if name in taken], [name for name in names if name not in taken]


def _optimizer(model, taken, settings):
    """AdamW: matrices decay, biases and gains do not; what was taken over may learn more slowly."""
    from tinyllm import optim
    groups = {}
    for name, parameter in model.named_parameters():
        key = name in taken, parameter.ndim > 1
        groups.setdefault(key, []).append(parameter)
    return optim.AdamW(
        [{"params": groups[key], "lr": settings["lr"] * (settings["from_lr"] if key[0] else 1.0),
          "weight_decay": settings["weight_decay"] if key[1] else 0.0} for key in sorted(groups)],
        lr=settings["lr"], betas=BETAS)


def _absolute(settings):
    """The settings with files where they are, from wherever they are looked for later."""
    paths = {name: [str(Path(file).resolve()) for file in settings[name]] for name in ("train", "dev")}
    runs = {name: str(Path(settings[name]).resolve()) for name in ("from_run", "from_reversed") if settings[name]}
    return {**settings, **paths, **runs}


def _sha256(records):
    """Of the records but for where they stand."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(json.dumps(record[:-1]).encode() + b"\n")
    return digest.hexdigest()


def _named(names, others):
    """Names of arrays for a person: of a layer its own, with its arrays where some of them are among the others."""
    layers, cut, shown = {}, {name.rpartition(".")[0] for name in others}, []
    for name in names:
        layer, _, array = name.rpartition(".")
        layers.setdefault(layer, []).append(array)
    for layer, arrays in layers.items():
        if not layer or len(arrays) == 1:
            shown += [f"{layer}.{array}".removeprefix(".") for array in arrays]
        else:
            shown.append(f"{layer} ({', '.join(arrays)})" if layer in cut else layer)
    return ", ".join(shown) or "nothing"
