"""What a person waits for before anything happens: seconds from the start of a process to what it shows first.

    start-train      to the loss of the first training step of S
    start-generate   to the first character that `tinyllm generate RUN` writes, RUN being an S of the built-in text
    cold-compile     as start-train with an empty cache of kernels: what one training step compiles

The first two find their kernels in the cache, which one run before fills.  python -m benchmarks.start is the step.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.sizes import SIZES, batches, model_options

AT_MOST = {"start-train": 2.0, "start-generate": 1.2, "cold-compile": 45.0}  # seconds it may take
FIRST_STEP = ["-m", "benchmarks.start"]


def seconds(arguments, **environment):
    """Until `python ARGUMENTS` prints anything.  Raises RuntimeError with its messages unless it does and succeeds."""
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, *arguments], env={**os.environ, **environment},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        shown = process.stdout.read(1)
        taken = time.perf_counter() - began
        messages = process.communicate()[1].decode()
    if process.returncode or not shown:
        raise RuntimeError(f"python {' '.join(arguments)}: exit code {process.returncode}, {messages.strip()}")
    return taken


def measure(work, rounds):
    """One row of the table as a dict."""
    with tempfile.TemporaryDirectory() as folder:
        if work == "cold-compile":
            taken = [seconds(FIRST_STEP, NUMBA_CACHE_DIR=folder)]
        else:
            command = FIRST_STEP if work == "start-train" else ["-m", "tinyllm", "generate", make_run(folder)]
            seconds(command)
            taken = [seconds(command) for _ in range(rounds)]
    row = {"work": work, "seconds": statistics.median(taken), "at_most": AT_MOST[work], "rounds": taken}
    if work == "start-train":
        row["import_torch"] = statistics.median(seconds(["-c", "import torch; print(1)"]) for _ in range(rounds))
    return row


def make_run(folder):
    """A run of one step; its path."""
    run = str(Path(folder) / "run")
    sizes = {name: value for name, value in model_options("S").items() if name != "vocab_size"}
    options = [word for name, value in sizes.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    subprocess.run([sys.executable, "-m", "tinyllm", "pretrain", "--steps", "1", *options, "--out", run],
                   check=True, capture_output=True)
    return run


def first_step():
    from benchmarks.worker import ours_train
    rng = np.random.default_rng(1)
    print(ours_train("S", SIZES["S"]["batch"], None)(*batches("S", rng, 1)[0]), flush=True)


if __name__ == "__main__":
    first_step()
