"""Training of S as it grows along one axis at a time, on one and on two threads: a row a point.

The axes and their values are sizes.GROWTH.  Each point is S with one size changed, so an axis may meet S itself; what
two axes share is timed once.
"""
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.sizes import GROWTH, SIZES, our_model
from benchmarks.timing import compare

THREADS = (1, 2)
CONTENDERS = ["ours", "torch-fused", "torch-compiled"]
HEAD = (f"{'axis':<10} {'threads':>7} {'ours':>9} {'best other':>11} {'ratio':>6}  {'MB':>6} {'other MB':>8}  other")


def points():
    """(axis, value, size) in the order of the table, size a name in SIZES."""
    return [(axis, value, f"S-{axis}{value}") for axis, (_, values) in GROWTH.items() for value in values]


def measure(rounds):
    """The rows, one after the other, each as soon as it is known."""
    known = {}
    for axis, value, size in points():
        for count in THREADS:
            shape = (*SIZES[size].values(), count)
            if shape not in known:
                known[shape] = point(size, count, rounds)
            yield {"axis": axis, "value": value, "threads": count, **known[shape]}


def point(size, threads, rounds):
    """What a row says of one size with so many threads."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.npz"
        np.savez(weights, **our_model(size).state_dict())
        done = compare(CONTENDERS, "train", size, SIZES[size]["batch"], weights, threads, rounds)
    ours = done.pop("ours")
    best = max(done.values(), key=lambda contender: contender.tokens_per_second())
    return {"ours": ours.tokens_per_second(), "best_other": best.tokens_per_second(), "other": best.name,
            "ratio": ours.tokens_per_second() / best.tokens_per_second(), "peak_bytes": ours.peak_bytes,
            "other_peak_bytes": min(contender.peak_bytes for contender in done.values()),
            "seconds": {contender.name: contender.seconds for contender in (ours, *done.values())},
            "tokens": {contender.name: contender.tokens for contender in (ours, *done.values())}}


def line(row):
    """The row as text, below HEAD."""
    return (f"{row['axis']} = {row['value']:<6} {row['threads']:>7} {row['ours']:>9.0f} {row['best_other']:>11.0f} "
            f"{row['ratio']:>6.2f}  {row['peak_bytes'] / 1e6:>6.0f} {row['other_peak_bytes'] / 1e6:>8.0f}  "
            f"{row['other']}")


def table(rows):
    """The rows in Markdown, one and two threads side by side."""
    counts = sorted({row["threads"] for row in rows})
    known = {(row["axis"], row["value"], row["threads"]): row for row in rows}
    heads = [f"{count} thread{'s' * (count > 1)}: tinyllm | PyTorch | ratio | MB | PyTorch MB" for count in counts]
    lines = [f"| S with | {' | '.join(heads)} |", "|---" * (1 + 5 * len(counts)) + "|"]
    for axis, value in dict.fromkeys((row["axis"], row["value"]) for row in rows):
        cells = []
        for count in counts:
            row = known.get((axis, value, count))
            cells += 5 * [""] if row is None else [
                f"{row['ours']:,.0f}", f"{row['best_other']:,.0f}", f"{row['ratio']:.2f}",
                f"{row['peak_bytes'] / 1e6:.0f}", f"{row['other_peak_bytes'] / 1e6:.0f}"]
        lines.append(f"| {axis} = {value:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
