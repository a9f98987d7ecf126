"""What a run says while it works, on stderr: a bar on a terminal, a line every few seconds elsewhere."""
import sys
import time

LINE_SECONDS = 10  # between lines where stderr is no terminal
SMOOTHING = 0.95  # of the loss that is shown: about the last 20 steps
RATE_SECONDS = 10  # the rate is that of about so many seconds of steps


class Progress:
    """Step, share of the budget, rate, loss, validation loss, time left.  A context: with progress: ...

    unit    what a target is called in the rate: "tokens", "targets"
    quiet   say nothing at all
    stream  where to write; left out, stderr
    """

    def __init__(self, unit="tokens", quiet=False, stream=None):
        self.unit, self.quiet, self.stream = unit, quiet, stream
        self.loss = self.rate = self.valid_loss = None
        self._bar = None

    def __enter__(self):
        self.stream = self.stream or sys.stderr
        self._said = time.monotonic()
        if not self.quiet and self.stream.isatty():
            self._bar = _bar(self.stream)
            self._bar.start()
            self._task = self._bar.add_task("", total=1.0, text="starting")
        return self

    def __exit__(self, *exception):
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def message(self, text):
        """One line that stays."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        elif not self.quiet:
            print(text, file=self.stream or sys.stderr, flush=True)  # what comes before the context too

    def step(self, step, total, *, used, loss, targets, step_seconds, seconds):
        """A step was taken.

        total         how many there will be, None where time decides
        used          share of the budget, 0..1
        step_seconds  what this step took; seconds: the whole run so far
        """
        kept = SMOOTHING if self.loss is not None else 0.0
        self.loss = kept * (self.loss or 0.0) + (1 - kept) * loss
        # an average over time, so that short steps do not weigh as much as long ones
        kept = max(0.0, 1 - step_seconds / RATE_SECONDS) if self.rate is not None else 0.0
        self.rate = kept * (self.rate or 0.0) + (1 - kept) * targets / max(step_seconds, 1e-9)
        if self.quiet:
            return
        number = f"step {step:,}" + (f" of {total:,}" if total is not None else "")
        text = f"{number}  {self.rate:,.0f} {self.unit}/s  loss {self.loss:.3f}"
        if self.valid_loss is not None:
            text += f"  validation {self.valid_loss:.3f}"
        if used > 0:
            text += f"  {duration(seconds / used * (1 - used))} left"
        if self._bar is not None:
            self._bar.update(self._task, completed=used, text=text)
        elif time.monotonic() - self._said >= LINE_SECONDS:
            self._said = time.monotonic()
            self.message(f"{used:4.0%}  {text}")

    def evaluated(self, record, best, decides):
        """An evaluation was logged: a line of it, with the field that decides which weights are the best."""
        self.valid_loss = record.get("valid_loss")
        text = f"step {record['step']:,}  epoch {record['epoch']:.2f}  {duration(record['seconds'])}"
        if record["train_loss"] is not None:
            text += f"  loss {record['train_loss']:.4f}"
        if self.valid_loss is not None:
            text += f"  validation {self.valid_loss:.4f}"
            if decides != "valid_loss":
                text += f"  {decides} {record[decides]:.4f}"
            text += " (best so far)" if best else ""
        self._said = time.monotonic()
        self.message(text)


def _bar(stream):
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar
    return Bar(BarColumn(bar_width=20), TextColumn("{task.percentage:3.0f}%"),
               TextColumn("{task.fields[text]}", markup=False), console=Console(file=stream), transient=True)


def duration(seconds):
    """1:02:03, or 2:03 below an hour."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
