"""Pictures: the curves of a run (losses and learning rate), and where a model looked."""
from pathlib import Path

import numpy as np

from tinyllm.training.run_folder import CURVES, RunFolder

CJK_FONTS = (  # of Linux, macOS and Windows, by their names in matplotlib; its own font has no Chinese
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN",
    "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "AR PL UMing CN", "PingFang SC",
    "Hiragino Sans GB", "STHeiti", "Heiti TC", "Arial Unicode MS", "Microsoft YaHei", "SimHei", "SimSun")


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
    out = Path(out) if out is not None else run.path / CURVES
    figure.savefig(out, format="png")
    return out


def plot_attention(tokens_out, tokens_in, weights, path):
    """Draw where each token that was written looked into a PNG file; returns its path.

    tokens_out, tokens_in  T and S strings; one that no font here can draw is shown as its number, from 1
    weights                (T, S), each row a distribution

    Raises RuntimeError where matplotlib is missing and ValueError for weights of another shape.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise RuntimeError('plot_attention: needs matplotlib: pip install "tinyllm[plot]"') from None
    weights = np.asarray(weights)
    if weights.shape != (len(tokens_out), len(tokens_in)):
        raise ValueError(f"plot_attention: weights must be (T, S) = ({len(tokens_out)}, {len(tokens_in)}), "
                         f"got shape {weights.shape}")
    font, rows, columns = _drawable(tokens_out, tokens_in)
    figure = Figure(figsize=(1.5 + 0.45 * len(columns), 1.5 + 0.4 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=60, font=font, parse_math=False)
    axes.set_yticks(range(len(rows)), rows, font=font, parse_math=False)
    axes.xaxis.tick_top()
    figure.savefig(path, format="png")
    return Path(path)


def _drawable(*lists):
    """A font, and for each list of tokens the labels it can draw: the first font that has all of them."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font
    lists = [[token.strip() or repr(token) for token in tokens] for tokens in lists]
    needed = {ord(char) for tokens in lists for token in tokens for char in token}
    paths = {entry.name: entry.fname for entry in font_manager.fontManager.ttflist}
    default = font_manager.findfont(font_manager.FontProperties())
    for path in [default, *(paths[name] for name in CJK_FONTS if name in paths)]:
        if needed <= FT2Font(path).get_charmap().keys():
            return font_manager.FontProperties(fname=path), *lists
    known = FT2Font(default).get_charmap().keys()
    return font_manager.FontProperties(fname=default), *[
        [token if {*map(ord, token)} <= known else str(number) for number, token in enumerate(tokens, 1)]
        for tokens in lists]
