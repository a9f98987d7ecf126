"""Peak memory of training a model, above the imports: python -m tests.training.measured_memory JSON

JSON has task ("lm" where left out), model, average, and the sizes of a batch: for lm batch_size and seq_len, else
batch_size, tokens (of a text) and, of a classifier, slots; prints the measured bytes and the estimated parts.
"""
import json
import sys
from pathlib import Path

import numpy as np

from tinyllm.autograd import no_grad
from tinyllm.models import Classifier, LanguageModel, Seq2Seq
from tinyllm.optim import Adam, clip_grad_norm_
from tinyllm.training import memory
from tinyllm.training.average import WeightAverage


def peak():
    """The highest resident memory so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024


def language_model(settings, rng):
    """The model, a function that gives its loss on new ids with an rng, one that evaluates, and the estimate."""
    model = LanguageModel(**settings["model"], rng=rng)
    B, T, V = settings["batch_size"], settings["seq_len"], settings["model"]["vocab_size"]
    state = model.initial_state(B, context=0)

    def loss():
        ids = rng.integers(0, V, (B, T))
        return model.loss(ids, ids, state, rng)

    def evaluate():
        ids = rng.integers(0, V, (64, T))
        model.loss(ids, ids, model.initial_state(64, context=T))
    return model, loss, evaluate, memory.estimate(model.config, settings)


def classifier(settings, rng):
    """The same for a classifier."""
    model = Classifier(**settings["model"], rng=rng)
    B, T, V = settings["batch_size"], settings["tokens"], settings["model"]["vocab_size"]
    F, C, K = settings["model"]["num_features"], settings["model"]["num_classes"], settings["slots"]

    def batch():
        return (rng.integers(0, V, (B, T)), rng.integers(0, C, B), np.ones((B, T), bool),
                rng.integers(-1, F, (B, T, K)).astype(np.int32) if F else None)
    return (model, lambda: model.loss(*batch(), rng=rng), lambda: model.loss(*batch()),
            memory.estimate_classifier(model.config, settings, B * T, K))


def seq2seq(settings, rng):
    """The same for a sequence-to-sequence model."""
    model = Seq2Seq.from_config(settings["model"], rng=rng)
    B, T, V = settings["batch_size"], settings["tokens"], settings["model"]["decoder"]["vocab_size"]

    def batch():
        valid = np.ones((B, T), bool)
        return rng.integers(4, V, (B, T)), rng.integers(4, V, (B, T)), valid, valid
    return (model, lambda: model.loss(*batch(), rng=rng), lambda: model.loss(*batch()),
            memory.estimate_seq2seq(model.config, settings, B * T, B * T))


def main(settings):
    before = peak()
    maker = {"lm": language_model, "classify": classifier, "seq2seq": seq2seq}[settings.get("task", "lm")]
    model, loss, evaluate, parts = maker(settings, np.random.default_rng(0))
    optimizer = Adam(model.parameters())
    average = WeightAverage(model.parameters(), 0.9) if settings.get("average") else None
    for step in (1, 2):
        loss().backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if average:
            average.move(step)
        with no_grad():
            evaluate()
    return {"measured": peak() - before, "parts": parts}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
