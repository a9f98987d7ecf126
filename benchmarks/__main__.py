"""python -m benchmarks [WORK...]: training steps and generation against PyTorch, and a batch against its sentences.

WORK is train-S, train-M, train-seq2seq, generate-S-1, generate-S-16, generate-M-1, generate-M-16, generate-M-1-int8
(PyTorch has the same rounded weights as float32) or translate-1000 (beam search, ours against ours, one sentence at a
time); none: all of them.  Needs torch and an idle machine;
--json FILE keeps the figures.
"""
import argparse
import datetime
import json
import platform
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.sizes import SIZES, our_model
from benchmarks.timing import compare
from tinyllm.models.int8 import rounded

WORKS = {  # kind, size, batch
    "train-S": ("train", "S", SIZES["S"]["batch"]), "train-M": ("train", "M", SIZES["M"]["batch"]),
    "train-seq2seq": ("train", "seq2seq", SIZES["seq2seq"]["batch"]),
    "generate-S-1": ("generate", "S", 1), "generate-S-16": ("generate", "S", 16),
    "generate-M-1": ("generate", "M", 1), "generate-M-16": ("generate", "M", 16),
    "generate-M-1-int8": ("generate-int8", "M", 1),
    "translate-1000": ("translate", "seq2seq", 1000)}
OTHERS = {"train": ["torch", "torch-fused", "torch-compiled"], "generate": ["torch"], "generate-int8": ["torch"],
          "translate": ["one-by-one"]}


def measure(work, folder, threads, rounds):
    """One row of the table as a dict."""
    kind, size, batch = WORKS[work]
    weights = Path(folder) / f"{kind}-{size}.npz"
    if not weights.exists():
        model = our_model(size)
        np.savez(weights, **(rounded(model) if kind == "generate-int8" else model).state_dict())
    done = compare(["ours", *OTHERS[kind]], kind, size, batch, weights, threads, rounds)
    best = max((c for name, c in done.items() if name != "ours"), key=lambda c: c.tokens_per_second())
    return {"work": work, "ours": done["ours"].tokens_per_second(), "best_other": best.tokens_per_second(),
            "other": best.name, "ratio": done["ours"].tokens_per_second() / best.tokens_per_second(),
            "peak_memory_ratio": done["ours"].peak_bytes / min(c.peak_bytes for n, c in done.items() if n != "ours"),
            "seconds": {name: c.seconds for name, c in done.items()}}


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("works", nargs="*", metavar="WORK", help=", ".join(WORKS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    if unknown := sorted(set(args.works) - set(WORKS)):
        parser.error(f"WORK must be among {', '.join(WORKS)}, got {', '.join(unknown)}")
    from tinyllm.kernels.threads import count
    threads = count()
    print(f"{datetime.date.today()}  {platform.machine()}, {threads} threads  tokens per second, "
          f"medians of {args.rounds} rounds")
    print(f"{'work':<17} {'ours':>9} {'best other':>11} {'ratio':>6}  {'memory':>6}  other")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for work in args.works or WORKS:
            row = measure(work, folder, threads, args.rounds)
            rows.append(row)
            print(f"{work:<17} {row['ours']:>9.0f} {row['best_other']:>11.0f} {row['ratio']:>6.2f}  "
                  f"{row['peak_memory_ratio']:>6.2f}  {row['other']}", flush=True)
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
