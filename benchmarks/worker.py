"""One contender in a process of its own: python -m benchmarks.worker CONTENDER KIND SIZE BATCH WEIGHTS THREADS.

It says "ready" with what it computed (to be compared before anything is timed), and then answers each line on stdin by
the seconds that one round took and the most memory that it had so far.  KIND is train, generate, generate-int8
or translate; CONTENDER is ours, or torch, torch-fused, torch-compiled, or one-by-one, which is ours, a sentence at a
time; WEIGHTS is an .npz of the model's arrays that all contenders start from; THREADS is how many it uses.
"""
import contextlib
import itertools
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.sizes import SIZES, TOKENS, TRAIN_STEPS, Numbers, batches, model_options, our_model, sentences

CHECKED_STEPS = 3
ROUND = 0.7  # seconds of a round of training where TRAIN_STEPS does not say how many steps: the last checked one tells


def ours_train(size, batch, weights):
    from tinyllm import optim
    model = our_model(size, weights)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def step(*given):
        loss = model.loss(*given)
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()
    return step


def ours_generate(size, batch, weights, int8=False):
    model = our_model(size, weights)
    return lambda seed, temperature=0.8: model.generate(
        np.zeros((batch, 1), np.int64), max_tokens=TOKENS, temperature=temperature, top_k=40, int8=int8,
        rng=np.random.default_rng(seed))


def ours_translate(size, batch, weights, together=True):
    from tinyllm.tasks.seq2seq import TrainedSeq2Seq
    model = our_model(size, weights)
    trained = TrainedSeq2Seq(model, Numbers(size), model.config["max_seq_len"])
    return trained.predict if together else lambda texts: [trained.predict([text])[0] for text in texts]


def torch_model(size, weights):
    import torch

    from benchmarks.torch_model import TorchLanguageModel
    from benchmarks.torch_seq2seq import TorchSeq2Seq
    model = (TorchSeq2Seq if size == "seq2seq" else TorchLanguageModel)(**model_options(size))
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return torch, model


def torch_train(size, batch, weights, fused=False, compiled=False):
    torch, model = torch_model(size, weights)
    if compiled:
        for part in model.compiles:
            setattr(model, part, torch.compile(getattr(model, part)))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)

    def step(*given):
        loss = model.loss(*map(torch.from_numpy, given))
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
    ("ours", "train"): ours_train, ("ours", "generate"): ours_generate, ("ours", "translate"): ours_translate,
    ("ours", "generate-int8"): lambda *a: ours_generate(*a, int8=True), ("torch", "generate-int8"): torch_generate,
    ("torch", "train"): torch_train, ("torch", "generate"): torch_generate,
    ("torch-fused", "train"): lambda *a: torch_train(*a, fused=True),
    ("torch-compiled", "train"): lambda *a: torch_train(*a, fused=True, compiled=True),
    ("one-by-one", "translate"): lambda *a: ours_translate(*a, together=False),
}


def using(contender, threads):
    """A context in which the contender has so many threads."""
    if contender.startswith("torch"):
        import torch
        torch.set_num_threads(threads)
        return contextlib.nullcontext()
    from tinyllm.kernels.threads import limited
    return limited(threads)


def peak_bytes():
    """The most memory this process had at once."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where getrusage also counts what the parent had when it started this process
        return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def main(contender, kind, size, batch, weights, threads):
    with np.load(weights) as file:
        arrays = dict(file)
    with using(contender, int(threads)):
        answer(contender, kind, size, int(batch), arrays)


def answer(contender, kind, size, batch, arrays):
    rng = np.random.default_rng(1)
    do = MAKERS[contender, kind](size, batch, arrays)
    if kind == "train":
        given = batches(size, rng)
        result = []
        for each in given[:CHECKED_STEPS]:
            began = time.perf_counter()
            result.append(do(*each))
        times = TRAIN_STEPS.get(size) or max(1, round(ROUND / (time.perf_counter() - began)))
        calls, tokens = itertools.cycle(given), batch * SIZES[size]["seq_len"]
    elif kind.startswith("generate"):
        result = np.asarray(do(0, temperature=0)).tolist()
        calls, times, tokens = zip(itertools.count(1)), 1, TOKENS * batch
    else:
        texts = sentences(size, batch, rng)
        result = do(texts)
        calls, times, tokens = itertools.repeat((texts,)), 1, sum(len(text.split()) for text in result)
    print(json.dumps({"ready": True, "result": result, "tokens": times * tokens}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        for each in itertools.islice(calls, times):
            do(*each)
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "peak_bytes": peak_bytes()}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
