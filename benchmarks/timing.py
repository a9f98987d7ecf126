"""Contenders side by side: one process each, taking turns, medians of the rounds; nothing is timed that disagrees."""
import json
import statistics
import subprocess
import sys

import numpy as np


class Contender:
    """A worker process; see worker.py for what it says."""

    def __init__(self, name, kind, size, batch, weights, threads):
        self.name, self.seconds = name, []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", name, kind, size, str(batch), str(weights), str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = self._answer()
        self.result, self.tokens = ready["result"], ready["tokens"]

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: the worker ended without an answer (exit code {self.process.wait()})")
        return json.loads(line)

    def round(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer = self._answer()
        self.seconds.append(answer["seconds"])
        self.peak_bytes = answer["peak_bytes"]

    def tokens_per_second(self):
        return self.tokens / statistics.median(self.seconds)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def agreement(contenders, tolerance=1e-4, tokens_equal=0.9):
    """Raise ValueError unless all computed the same as the first.

    Losses of training may differ by tolerance, relatively.  The likeliest tokens must be equal; where rounding decides
    between two of them, what follows differs, so the share before the first difference is asked for.  Texts must be
    equal, all of them.
    """
    first = contenders[0]
    for other in contenders[1:]:
        a, b = np.asarray(first.result), np.asarray(other.result)
        if a.shape != b.shape:
            raise ValueError(f"{other.name}: results of shape {b.shape}, {first.name}'s {a.shape}")
        if a.dtype.kind == "U":
            if (a != b).any():
                raise ValueError(f"{other.name}: {(a != b).sum()} of {len(a)} texts are not {first.name}'s")
        elif a.ndim == 1 and not np.allclose(a, b, rtol=tolerance):
            raise ValueError(f"{other.name}: losses {b.tolist()}, {first.name}'s {a.tolist()}")
        if a.ndim == 2:
            same = np.logical_and.accumulate(a == b, axis=1).mean()
            if same < tokens_equal:
                raise ValueError(f"{other.name}: equal to {first.name} for only {same:.0%} of the tokens")


def compare(names, kind, size, batch, weights, threads, rounds=7):
    """Name -> Contender after so many rounds in turn, each on so many threads."""
    contenders = []
    try:
        for name in names:
            contenders.append(Contender(name, kind, size, batch, weights, threads))
        agreement(contenders)
        for _ in range(rounds):
            for contender in contenders:
                contender.round()
        return {contender.name: contender for contender in contenders}
    finally:
        for contender in contenders:
            contender.close()
