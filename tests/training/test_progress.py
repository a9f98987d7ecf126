import io

import pytest

from tinyllm.training import progress
from tinyllm.training.progress import Progress, duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


RECORD = {"step": 2000, "epoch": 1.25, "seconds": 65.2, "lr": 0.1, "train_loss": 2.0, "valid_loss": 2.125}


def run(stream, clock, *, quiet=False, total=4000):
    """2000 steps of half a second and 100 tokens, an evaluation, one step more."""
    with Progress("tokens", quiet, stream) as shown:
        shown.message("going on")
        for step in range(1, 2001):
            clock.now += 0.5
            shown.step(step, total, used=step / 4000, loss=3.0, targets=100, step_seconds=0.5,
                       seconds=step / 2)
        shown.evaluated(RECORD, True, "valid_loss")
        clock.now += 10
        shown.step(2001, total, used=0.5, loss=3.0, targets=100, step_seconds=0.5, seconds=1000)
    return shown


def test_lines_where_there_is_no_terminal(clock):
    stream = io.StringIO()
    run(stream, clock)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "going on"
    assert lines[1] == "  0%  step 20 of 4,000  200 tokens/s  loss 3.000  33:10 left"
    assert len(lines) == 1 + 100 + 1 + 1  # a line every ten seconds
    assert lines[-2] == "step 2,000  epoch 1.25  1:05  loss 2.0000  validation 2.1250 (best so far)"
    assert lines[-1] == " 50%  step 2,001 of 4,000  200 tokens/s  loss 3.000  validation 2.125  16:40 left"
    assert "\x1b" not in stream.getvalue()


def test_a_bar_on_a_terminal(clock):
    stream = Terminal()
    run(stream, clock, total=None)
    text = stream.getvalue()
    assert "going on\n" in text and "step 2,000  epoch 1.25" in text
    assert "\x1b[" in text and "200 tokens/s" in text and "step 2,001  " in text


def test_quiet_says_nothing(clock):
    for stream in (io.StringIO(), Terminal()):
        assert run(stream, clock, quiet=True).loss == pytest.approx(3.0)
        assert stream.getvalue() == ""


def test_a_message_before_the_training_goes_to_stderr(capsys):
    Progress().message("taken over from here")
    Progress(quiet=True).message("nothing")
    assert capsys.readouterr() == ("", "taken over from here\n")


def test_loss_and_rate_are_smoothed():
    """The first step as it is; then 5 % of each new loss, and 10 % of the rate of a step of a second."""
    shown = Progress(quiet=True)
    shown.step(1, 9, used=0.1, loss=4.0, targets=10, step_seconds=1.0, seconds=1)
    assert (shown.loss, shown.rate) == (4.0, 10.0)
    shown.step(2, 9, used=0.2, loss=2.0, targets=20, step_seconds=1.0, seconds=2)
    assert shown.loss == pytest.approx(0.95 * 4 + 0.05 * 2)
    assert shown.rate == pytest.approx(0.9 * 10 + 0.1 * 20)
    shown.step(3, 9, used=0.2, loss=2.0, targets=600, step_seconds=60.0, seconds=62)
    assert shown.rate == pytest.approx(10.0)


def test_an_evaluation_without_validation(clock):
    stream = io.StringIO()
    with Progress(stream=stream) as shown:
        shown.evaluated({"step": 3, "epoch": 0.5, "seconds": 2.0, "lr": 0.1, "train_loss": 1.5}, True, "valid_loss")
    assert stream.getvalue() == "step 3  epoch 0.50  0:02  loss 1.5000\n"


def test_the_field_that_decides_stands_beside_the_loss():
    stream = io.StringIO()
    with Progress(stream=stream) as shown:
        shown.evaluated({**RECORD, "f1": 0.25}, True, "f1")
    assert stream.getvalue().endswith("  validation 2.1250  f1 0.2500 (best so far)\n")


@pytest.mark.parametrize("seconds, text", [(0, "0:00"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03")])
def test_duration(seconds, text):
    assert duration(seconds) == text
