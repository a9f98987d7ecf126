"""Peak memory of training a model, above the imports: python -m tests.training.measured_memory JSON

JSON has model, batch_size, seq_len, average; prints the measured bytes and the estimated parts.
"""
import json
import sys
from pathlib import Path

import numpy as np

from tinyllm.autograd import no_grad
from tinyllm.models import LanguageModel
from tinyllm.optim import Adam, clip_grad_norm_
from tinyllm.training.average import WeightAverage
from tinyllm.training.memory import estimate


def peak():
    """The highest resident memory so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024


def main(settings):
    before = peak()
    rng = np.random.default_rng(0)
    model = LanguageModel(**settings["model"], rng=rng)
    B, T, V = settings["batch_size"], settings["seq_len"], settings["model"]["vocab_size"]
    optimizer = Adam(model.parameters())
    average = WeightAverage(model.parameters(), 0.9) if settings.get("average") else None
    state = model.initial_state(B, context=0)
    for step in (1, 2):
        ids = rng.integers(0, V, (B, T))
        model.loss(ids, ids, state, rng).backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if average:
            average.move(step)
        ids = rng.integers(0, V, (64, T))
        with no_grad():
            model.loss(ids, ids, model.initial_state(64, context=T))
    return {"measured": peak() - before, "parts": estimate(model.config, settings)}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
