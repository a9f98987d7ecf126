"""The curves of a run as a picture: training and validation loss, and the learning rate."""
from pathlib import Path

from tinyllm.training.run_folder import RunFolder


def plot_run(path, out=None):
    """Draw the metrics of the run folder at path into a PNG file; returns its path.

    out  the file; left out, curves.png in the run folder

    Raises RuntimeError where matplotlib is missing (pip install "tinyllm[plot]") and ValueError for a run
    that has not been evaluated yet.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise RuntimeError('plot_run: needs matplotlib: pip install "tinyllm[plot]"') from None
    run = RunFolder.open(path)
    log = run.read_log()
    if not log:
        raise ValueError(f"plot_run: {path} has no evaluation in its metrics.jsonl yet")
    figure = Figure(figsize=(8, 5), layout="constrained")  # not pyplot: no window system
    losses, rates = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    steps = [record["step"] for record in log]
    for name, label in [("train_loss", "training"), ("valid_loss", "validation")]:
        if any(record.get(name) is not None for record in log):
            losses.plot(steps, [record.get(name) for record in log], ".-", label=label)
    validated = [record for record in log if record.get("valid_loss") is not None]
    if validated:
        best = min(validated, key=lambda record: record["valid_loss"])
        losses.plot(best["step"], best["valid_loss"], "o", fillstyle="none", color="black",
                    label=f"best {best['valid_loss']:.4f}")
    losses.set_ylabel("loss (nats per target)")
    losses.set_title(Path(path).name)
    losses.legend()
    rates.plot(steps, [record["lr"] for record in log], color="gray")
    rates.set_ylabel("rate")
    rates.set_xlabel("step")
    out = Path(out) if out is not None else run.path / "curves.png"
    figure.savefig(out, format="png")
    return out
