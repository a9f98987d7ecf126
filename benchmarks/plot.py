"""Pictures of the figures: ratios as bars, growth as four panels."""

OURS, OTHER, LOST = "tab:blue", "tab:orange", "tab:red"
STYLES = {1: ":", 2: "-"}  # threads


def _figure(**options):
    from matplotlib.figure import Figure  # not pyplot: no window system
    return Figure(layout="constrained", **options)


def plot_ratios(rows, path, title):
    """A bar for each row, its floor a mark across it, as a PNG file; returns the figure."""
    figure = _figure(figsize=(8, 1.2 + 0.36 * len(rows)))
    axes = figure.subplots()
    for place, row in enumerate(rows):
        floor = row["floor"]
        axes.barh(place, row["ratio"], 0.6, color=OURS if row["ratio"] >= floor else LOST)
        axes.vlines(floor, place - 0.4, place + 0.4, color="black", linewidth=2)
        axes.text(1.01, place, _label(row), va="center", transform=axes.get_yaxis_transform())
    axes.set_yticks(range(len(rows)), [row["work"] for row in rows])
    axes.invert_yaxis()
    axes.set(xlabel="tokens per second, those of the best other being 1; black: the floor", title=title, xlim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, format="png", dpi=120)
    return figure


def _label(row):
    """The ratio, and the share of the limit where there is one."""
    return f"{row['ratio']:.2f}" + (f", {row['of_limit']:.0%} of the limit" if row["of_limit"] else "")


def plot_growth(rows, path, title):
    """Tokens per second along each axis, ours and PyTorch's, as a PNG file; returns the figure."""
    figure = _figure(figsize=(9.5, 7))
    figure.suptitle(title)
    panels = list(figure.subplots(2, 2).flat)
    for panel, axis in zip(panels, dict.fromkeys(row["axis"] for row in rows)):
        own = [row for row in rows if row["axis"] == axis]
        for threads in sorted({row["threads"] for row in own}):
            line = [row for row in own if row["threads"] == threads]
            values = [row["value"] for row in line]
            for name, field, color in (("tinyllm", "ours", OURS), ("PyTorch", "best_other", OTHER)):
                panel.plot(values, [row[field] for row in line], "o", linestyle=STYLES.get(threads, "--"), color=color,
                           markersize=4, label=f"{name}, {threads} thread{'s' * (threads > 1)}")
        lost = [row for row in own if row["ratio"] < 1]
        panel.plot([row["value"] for row in lost], [row["ours"] for row in lost], "o", color=LOST, markersize=10,
                   fillstyle="none", linestyle="none", label="tinyllm slower")
        panel.set(xscale="log", yscale="log", xlabel=axis, ylabel="tokens per second")
        values = sorted({row["value"] for row in own})
        panel.set_xticks(values, [f"{value:,}" for value in values])
        panel.minorticks_off()
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        panel.yaxis.set_major_locator(_places([row[field] for row in own for field in ("ours", "best_other")]))
        panel.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False,
                  handlelength=1.8, columnspacing=1.2)
    figure.savefig(path, format="png", dpi=120)
    return figure


def _places(values):
    """Where the ticks of a logarithmic axis are: closer together where the values are."""
    from matplotlib.ticker import LogLocator
    return LogLocator(subs=(1, 2, 5) if max(values) > 20 * min(values) else (1, 1.5, 2, 3, 5, 7))
