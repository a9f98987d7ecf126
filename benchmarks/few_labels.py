"""python -m benchmarks.few_labels classify|tag --train F --dev F --from RUN: what pretraining is worth with few labels.

The same model, with the same settings and seeds, from nothing and from the pretrained run, on growing shares of the
training data: a table of means and ranges, --json FILE with every figure, --plot FILE with a picture.
"""
import argparse
import json
import statistics
import tempfile
from pathlib import Path

import numpy as np

from tinyllm.tasks.settings import FINETUNE
from tinyllm.tasks.supervised import finetune
from tinyllm.training.progress import Progress

SCORE = {"classify": "accuracy", "tag": "f1"}
SIZES = ("embed_dim", "hidden_dim", "num_layers", "num_attention_layers", "num_heads", "cell")


def examples(task, path):
    """The text of each example in a file of the task."""
    from tinyllm.data.readers import read_text
    text = read_text(path).strip("\n")
    return text.split("\n") if task == "classify" else text.split("\n\n")


def measure(task, train, dev, starts, shares, seeds, settings):
    """[{share, start, seed, score, examples}].  starts: name -> the settings of each start"""
    rows, joint = [], "\n" if task == "classify" else "\n\n"
    pool = examples(task, train)
    with tempfile.TemporaryDirectory() as folder:
        for share in shares:
            for seed in seeds:
                few = np.random.default_rng([seed, 7]).permutation(len(pool))[:max(2, round(share * len(pool)))]
                part = Path(folder) / "part.txt"
                part.write_text(joint.join(pool[i] for i in sorted(few)) + "\n", encoding="utf-8")
                for name, start in starts.items():
                    result = finetune(task, Path(folder) / "run", {
                        **settings, **start, "train": [part], "dev": [dev], "seed": seed},
                        force=True, progress=Progress(quiet=True))
                    rows.append({"share": share, "examples": len(few), "start": name, "seed": seed,
                                 "score": result[SCORE[task]]})
                    print(f"{share:>6.0%} {len(few):>7} examples  seed {seed}  from {name:<12} "
                          f"{SCORE[task]} {result[SCORE[task]]:.4f}", flush=True)
    return rows


def table(rows):
    """A line for each share: mean (lowest to highest) of every start."""
    starts = list(dict.fromkeys(row["start"] for row in rows))
    lines = ["| labels | " + " | ".join(f"from {start}" for start in starts) + " |", "|---" * (len(starts) + 1) + "|"]
    for share in dict.fromkeys(row["share"] for row in rows):
        cells = []
        for start in starts:
            scores = [row["score"] for row in rows if (row["share"], row["start"]) == (share, start)]
            cells.append(f"{statistics.mean(scores):.3f} ({min(scores):.3f} to {max(scores):.3f})")
        lines.append(f"| {share:.0%} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(rows, path, ylabel):
    """Scores against examples, a line for each start, every seed a point."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for start in dict.fromkeys(row["start"] for row in rows):
        own = [row for row in rows if row["start"] == start]
        sizes = sorted({row["examples"] for row in own})
        means = [statistics.mean(row["score"] for row in own if row["examples"] == size) for size in sizes]
        line, = axes.plot(sizes, means, "-", label=f"from {start}")
        axes.plot([row["examples"] for row in own], [row["score"] for row in own], "o", color=line.get_color(),
                  markersize=4)
    axes.set(xscale="log", xlabel="labelled examples", ylabel=ylabel)
    axes.legend()
    figure.savefig(path, format="png")


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.few_labels", description=__doc__.split("\n")[0])
    parser.add_argument("task", choices=sorted(SCORE))
    parser.add_argument("--train", required=True)
    parser.add_argument("--dev", required=True)
    parser.add_argument("--from", dest="start", required=True, metavar="RUN", help="a pretrained language model")
    parser.add_argument("--from-reversed", metavar="RUN", help="a second one, of reversed text")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.3, 1.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=float, default=10)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE")
    args = parser.parse_args()
    from tinyllm.tasks.stored import language_model
    sizes, tokenizer = language_model(args.start)[:2]
    settings = {name: sizes[name] for name in SIZES if name in FINETUNE[args.task]}
    settings |= {"epochs": args.epochs, "lr": args.lr}
    rows = measure(args.task, args.train, args.dev, {
        "nothing": {"tokenizer": "char" if tokenizer.type == "char" else "token"},
        "pretrained": {"from_run": args.start, "from_reversed": args.from_reversed}}, args.shares, args.seeds, settings)
    print(table(rows))
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if args.plot:
        plot(rows, args.plot, SCORE[args.task])


if __name__ == "__main__":
    main()
