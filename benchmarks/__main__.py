"""python -m benchmarks [WORK...]: training steps and generation against PyTorch, and a batch against its sentences.

WORK is train-S, train-S-lstm, train-M, train-seq2seq, generate-S-1, generate-S-16, generate-M-1, generate-M-16,
generate-M-1-int8 (PyTorch has the same rounded weights as float32), translate-1000 (beam search, ours against ours,
one sentence at a time), start-train, start-generate, cold-compile (what a person waits for: start.py) or growth (S
along four axes, on one and two threads: growth.py); none: all of them.

Needs torch and an idle machine.  --json FILE keeps the figures, each as soon as it is known; --plot FILE.png draws the
ratios, and growth beside it in FILE-growth.png.
"""
import argparse
import datetime
import importlib.metadata
import json
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import growth, limits, plot, start
from benchmarks.sizes import SIZES, our_model
from benchmarks.timing import compare
from tinyllm.cli.arguments import number
from tinyllm.models.int8 import rounded

WORKS = {  # kind, size, batch
    "train-S": ("train", "S", SIZES["S"]["batch"]), "train-S-lstm": ("train", "S-lstm", SIZES["S-lstm"]["batch"]),
    "train-M": ("train", "M", SIZES["M"]["batch"]), "train-seq2seq": ("train", "seq2seq", SIZES["seq2seq"]["batch"]),
    "generate-S-1": ("generate", "S", 1), "generate-S-16": ("generate", "S", 16),
    "generate-M-1": ("generate", "M", 1), "generate-M-16": ("generate", "M", 16),
    "generate-M-1-int8": ("generate-int8", "M", 1),
    "translate-1000": ("translate", "seq2seq", 1000)}
FLOORS = {  # what each ratio should be at least
    "train-S": 1.5, "train-S-lstm": 1.2, "train-M": 1.15, "train-seq2seq": 1.2, "generate-S-1": 3.5,
    "generate-S-16": 2.5, "generate-M-1": 1.4, "generate-M-16": 2.0, "generate-M-1-int8": 3.0, "translate-1000": 3.0}
ALL = [*WORKS, *start.AT_MOST, "growth"]
OTHERS = {"train": ["torch", "torch-fused", "torch-compiled"], "generate": ["torch"], "generate-int8": ["torch"],
          "translate": ["one-by-one"]}


def measure(work, folder, threads, rounds, limit):
    """One row of the table as a dict; limit as limits.measured() gives it."""
    kind, size, batch = WORKS[work]
    weights = Path(folder) / f"{kind}-{size}.npz"
    if not weights.exists():
        model = our_model(size)
        np.savez(weights, **(rounded(model) if kind == "generate-int8" else model).state_dict())
    done = compare(["ours", *OTHERS[kind]], kind, size, batch, weights, threads, rounds)
    best = max((c for name, c in done.items() if name != "ours"), key=lambda c: c.tokens_per_second())
    return {"work": work, "ours": done["ours"].tokens_per_second(), "best_other": best.tokens_per_second(),
            "other": best.name, "ratio": done["ours"].tokens_per_second() / best.tokens_per_second(),
            "floor": FLOORS[work],
            "of_limit": limits.share(kind, size, batch, done["ours"].tokens_per_second(), limit),
            "peak_memory_ratio": done["ours"].peak_bytes / min(c.peak_bytes for n, c in done.items() if n != "ours"),
            "seconds": {name: c.seconds for name, c in done.items()}}


def machine():
    """What the figures are of: versions, processor, threads."""
    from tinyllm.cli.doctor import report
    facts = report()
    return {"python": facts["python"], **facts["packages"], "torch": importlib.metadata.version("torch"),
            **{name: facts[name] for name in ("system", "processor", "vectors", "cores", "threads")}}


def against_others(works, rounds, report, keep):
    """The table of ratios, a line as soon as it is known."""
    threads = report["machine"]["threads"]
    limit = report["limits"] = limits.measured(threads)
    print(f"products {limit['operations'] / 1e9:.0f} GFLOP/s; reading: memory {limit['memory'] / 1e9:.0f} GB/s"
          + "".join(f", the weights of {size} {speed / 1e9:.0f}" for size, speed in limit["read"].items()))
    print(f"tokens per second, medians of {rounds} rounds, memory in shares of the others' least, share of the limit")
    print(f"{'work':<17} {'ours':>9} {'best other':>11} {'ratio':>6}  {'memory':>6} {'limit':>6}  other")
    with tempfile.TemporaryDirectory() as folder:
        for work in works:
            row = measure(work, folder, threads, rounds, limit)
            keep("works", row)
            of_limit = f"{row['of_limit']:.0%}" if row["of_limit"] else ""
            print(f"{work:<17} {row['ours']:>9.0f} {row['best_other']:>11.0f} {row['ratio']:>6.2f}  "
                  f"{row['peak_memory_ratio']:>6.2f} {of_limit:>6}  {row['other']}", flush=True)


def starting(works, rounds, keep):
    """Seconds that a person waits."""
    print(f"\nseconds, medians of {rounds} rounds (cold-compile: one)")
    for work in works:
        row = start.measure(work, rounds)
        keep("start", row)
        torch = f"; import torch alone {row['import_torch']:.2f}" if "import_torch" in row else ""
        print(f"{work:<17} {row['seconds']:>9.2f}  (at most {row['at_most']:g}{torch})", flush=True)


def growing(rounds, report, keep):
    """The table of growth, a line as soon as it is known, and all of it in Markdown."""
    print(f"\ntokens per second of training as S grows, medians of {rounds} rounds\n{growth.HEAD}")
    for row in growth.measure(rounds):
        keep("growth", row)
        print(growth.line(row), flush=True)
    print(f"\n{growth.table(report['growth'])}")


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("works", nargs="*", metavar="WORK", help=", ".join(ALL))
    parser.add_argument("--rounds", type=number(int, least=1), default=7)
    parser.add_argument("--growth-rounds", type=number(int, least=1), default=3,
                        help="of each point of growth, of which there are many")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE.png")
    args = parser.parse_args(argv)
    if unknown := sorted(set(args.works) - set(ALL)):
        parser.error(f"WORK must be among {', '.join(ALL)}, got {', '.join(unknown)}")
    works = args.works or ALL
    if args.plot and importlib.util.find_spec("matplotlib") is None:
        parser.error('--plot needs matplotlib: pip install "tinyllm[plot]"')
    if args.plot and not {*works} - {*start.AT_MOST}:
        parser.error("--plot draws ratios and growth, and none of these is among the WORKs")
    for option, file in (("--json", args.json), ("--plot", args.plot)):
        if file and (Path(file).is_dir() or not Path(file).parent.is_dir()):
            parser.error(f"{option} must be a file in a folder that exists, got {file}")
    report = {"date": str(datetime.date.today()), "machine": machine(), "works": [], "start": [], "growth": []}

    def keep(part, row):
        report[part].append(row)
        if args.json:
            Path(args.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    title = f"{report['date']}, {report['machine']['processor']}, {report['machine']['threads']} threads"
    print(title, flush=True)
    if compared := [work for work in works if work in WORKS]:
        against_others(compared, args.rounds, report, keep)
    if waited := [work for work in works if work in start.AT_MOST]:
        starting(waited, args.rounds, keep)
    if "growth" in works:
        growing(args.growth_rounds, report, keep)
    if args.plot and report["works"]:
        plot.plot_ratios(report["works"], args.plot, title)
    if args.plot and report["growth"]:
        plot.plot_growth(report["growth"], Path(args.plot).with_stem(Path(args.plot).stem + "-growth"), title)


if __name__ == "__main__":
    main()
