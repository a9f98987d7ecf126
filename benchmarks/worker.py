"""One contender in a process of its own: python -m benchmarks.worker CONTENDER WORK SIZE BATCH WEIGHTS THREADS.

It says "ready" with what it computed (to be compared before anything is timed), and then answers each line on
stdin by the seconds that one round took.  CONTENDER is ours, or torch, torch-fused, torch-compiled; WORK is train or
generate; WEIGHTS is an .npz of the model's arrays that all contenders start from; THREADS is how many torch uses, as
many as ours takes by itself.
"""
import json
import resource
import sys
import time

import numpy as np

from benchmarks.sizes import SIZES, TOKENS, TRAIN_STEPS, batches, model_options

CHECKED_STEPS = 3


def ours_train(size, batch, weights):
    from tinyllm import optim
    from tinyllm.models import LanguageModel
    model = LanguageModel(**model_options(size), rng=np.random.default_rng(0))
    model.load_state_dict(weights)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def step(ids):
        loss = model.loss(ids[:, :-1], ids[:, 1:])
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()
    return step


def ours_generate(size, batch, weights):
    from tinyllm.models import LanguageModel
    model = LanguageModel(**model_options(size), rng=np.random.default_rng(0))
    model.load_state_dict(weights)
    return lambda seed, temperature=0.8: model.generate(
        np.zeros((batch, 1), np.int64), max_tokens=TOKENS, temperature=temperature, top_k=40,
        rng=np.random.default_rng(seed))


def torch_model(size, weights):
    import torch

    from benchmarks.torch_model import TorchLanguageModel
    model = TorchLanguageModel(**model_options(size))
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return torch, model


def torch_train(size, batch, weights, fused=False, compiled=False):
    torch, model = torch_model(size, weights)
    if compiled:
        model.tail = torch.compile(model.tail)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)

    def step(ids):
        ids = torch.from_numpy(ids)
        loss = model.loss(ids[:, :-1], ids[:, 1:].contiguous())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()
    return step


def torch_generate(size, batch, weights):
    torch, model = torch_model(size, weights)

    def write(seed, temperature=0.8):
        uniform = torch.from_numpy(np.random.default_rng(seed).random((TOKENS, batch))).float()
        return model.generate(torch.zeros(batch, dtype=torch.long), TOKENS, uniform, temperature).numpy()
    return write


MAKERS = {
    ("ours", "train"): ours_train, ("ours", "generate"): ours_generate,
    ("torch", "train"): torch_train, ("torch", "generate"): torch_generate,
    ("torch-fused", "train"): lambda *a: torch_train(*a, fused=True),
    ("torch-compiled", "train"): lambda *a: torch_train(*a, fused=True, compiled=True),
}


def main(contender, work, size, batch, weights, threads):
    with np.load(weights) as file:
        arrays = dict(file)
    if contender != "ours":
        import torch
        torch.set_num_threads(int(threads))
    do = MAKERS[contender, work](size, int(batch), arrays)
    if work == "train":
        ids = batches(size, np.random.default_rng(1))
        result = [do(ids[n % len(ids)]) for n in range(CHECKED_STEPS)]
        rounds, tokens = TRAIN_STEPS[size], SIZES[size]["batch"] * SIZES[size]["seq_len"]
    else:
        result = np.asarray(do(0, temperature=0)).tolist()
        rounds, tokens = 1, TOKENS * int(batch)
    print(json.dumps({"ready": True, "result": result, "tokens": rounds * tokens}), flush=True)
    for number, _ in enumerate(sys.stdin):
        began = time.perf_counter()
        for n in range(rounds):
            do(ids[n % len(ids)] if work == "train" else number + 1)
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"seconds": seconds, "peak_bytes": peak}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
