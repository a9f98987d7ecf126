"""python -m benchmarks.few_labels classify|tag --train F --dev F --from RUN: what pretraining is worth with few labels.

The same model, with the same settings, seeds and steps, from nothing and from the pretrained run, on growing shares of
the training data: a table of means and ranges, --json FILE with every figure, --plot FILE with a picture.

A share has every label at least once, for dev may ask for any of them.  The steps are the same for all: so many epochs
of a tenth of the labels would be a tenth of the steps, and show how long was trained.
"""
import argparse
import importlib
import json
import statistics
import tempfile
from pathlib import Path

import numpy as np

from tinyllm.cli.arguments import add_data, count
from tinyllm.tasks import MODULES
from tinyllm.tasks.settings import FINETUNE, FROM_RUN, MODEL, READING, SELECT
from tinyllm.tasks.supervised import finetune
from tinyllm.training.options import BUDGETS
from tinyllm.training.progress import Progress

SIZES = [name for name in FROM_RUN if name in MODEL]
WRITTEN = {"classify": {"format": "jsonl", "fields": ("label", "text")}, "tag": {}}  # how write() has to be read
OWN = {"train", "dev", "seed", "from_run", "from_reversed", *BUDGETS, *FROM_RUN, *READING["classify"]}


def write(task, records, path):
    """Records as a file of the task, whatever files they came from: JSON Lines, where texts may have lines, or BIO."""
    if task == "classify":
        lines = [json.dumps({"label": record.label, "text": record.text}) + "\n" for record in records]
    else:
        lines = ["".join(f"{token}\t{tag}\n" for token, tag in zip(record.tokens, record.tags)) + "\n"
                 for record in records]
    path.write_text("".join(lines), encoding="utf-8", newline="\n")
    return path


def sample(records, share, rng):
    """The share of the records, by chance, and further ones for the labels that it lacks, in their order."""
    order = rng.permutation(len(records))
    taken = list(order[:max(1, round(share * len(records)))])
    known = set().union(*(_labels(records[i]) for i in taken))
    for i in order[len(taken):]:
        if not _labels(records[i]) <= known:
            known |= _labels(records[i])
            taken.append(i)
    return [records[i] for i in sorted(taken)]


def _labels(record):
    """The label of a text; the types of entities in a sentence."""
    return {record.label} if hasattr(record, "label") else {tag[2:] for tag in record.tags if tag != "O"}


def measure(task, train, dev, starts, shares, seeds, settings):
    """[{share, examples, start, seed, steps, score}] over the records.  starts: name -> the settings of each start"""
    rows, score = [], SELECT[task][0]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        dev = write(task, dev, folder / "dev")
        for share in shares:
            for seed in seeds:
                few = sample(train, share, np.random.default_rng([seed, 7]))
                part = write(task, few, folder / "train")
                for name, start in starts.items():
                    result = finetune(task, folder / "run", {
                        **settings, **WRITTEN[task], **start, "train": [part], "dev": [dev], "seed": seed},
                        force=True, progress=Progress(quiet=True))
                    rows.append({"share": share, "examples": len(few), "start": name, "seed": seed,
                                 "steps": result["steps"], "score": result[score]})
                    print(f"{share:>6.0%} {len(few):>7} examples  seed {seed}  from {name:<12} "
                          f"{score} {result[score]:.4f}", flush=True)
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
    """Scores against examples: a line of means for each start, every seed a point."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for start in dict.fromkeys(row["start"] for row in rows):
        own = [row for row in rows if row["start"] == start]
        means = [[statistics.mean(row[name] for row in own if row["share"] == share) for name in ("examples", "score")]
                 for share in sorted({row["share"] for row in own})]
        line, = axes.plot(*zip(*means), "-", label=f"from {start}")
        axes.plot([row["examples"] for row in own], [row["score"] for row in own], "o", color=line.get_color(),
                  markersize=4)
    axes.set(xscale="log", xlabel="labelled examples", ylabel=ylabel)
    axes.legend()
    figure.savefig(path, format="png")
    return figure


def _setting(text):
    """name=value, the value as JSON or else as it stands."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"must be name=value, got {text}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.few_labels", description=__doc__.split("\n")[0])
    parser.add_argument("task", choices=list(WRITTEN))
    parser.add_argument("--train", nargs="+", required=True, metavar="FILE")
    parser.add_argument("--dev", nargs="+", required=True, metavar="FILE")
    add_data(parser)
    parser.add_argument("--from", dest="start", required=True, metavar="RUN", help="a pretrained language model")
    parser.add_argument("--from-reversed", metavar="RUN", help="a second one, of reversed text")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.3, 1.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=count, default=1000, metavar="N", help="of every training (1000)")
    parser.add_argument("--set", dest="changed", type=_setting, action="append", default=[], metavar="NAME=VALUE",
                        help="a setting of finetune that is not its default: --set dropout=0.3 --set lr=1e-3")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE")
    args = parser.parse_args(argv)
    if args.task == "tag" and (args.fields or args.format):
        parser.error("--fields and --format are of classify")
    if wrong := [name for name, _ in args.changed if name in OWN or name not in FINETUNE[args.task]]:
        parser.error(f"--set takes settings of finetune {args.task} that the comparison leaves open, got {wrong[0]}")
    from tinyllm.tasks.stored import language_model
    sizes, tokenizer = language_model(args.start)[:2]
    settings = {name: sizes[name] for name in SIZES} | {"steps": args.steps, **dict(args.changed)}
    read = importlib.import_module(MODULES[args.task]).read
    train, dev = (read(files, vars(args)) for files in (args.train, args.dev))
    rows = measure(args.task, train, dev, {
        "nothing": {"tokenizer": tokenizer.type if tokenizer.type in ("char", "bpe") else "token"},
        "pretrained": {"from_run": args.start, "from_reversed": args.from_reversed}}, args.shares, args.seeds, settings)
    print(table(rows))
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if args.plot:
        plot(rows, args.plot, SELECT[args.task][0])


if __name__ == "__main__":
    main()
