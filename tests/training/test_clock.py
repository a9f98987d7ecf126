"""What a run does by the clock: minutes as a budget, pauses between evaluations, saving."""
import numpy as np
import pytest

from tests.training.tiny import Rates, Task, start
from tinyllm.optim import Adam, warmup_cosine
from tinyllm.training import loop
from tinyllm.training.run_folder import RunFolder


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when a test lets them."""
    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now
    clock = Clock()
    monkeypatch.setattr(loop, "time", clock)
    return clock


def test_budget_by_minutes(tmp_path, clock):
    """Steps of 6 seconds: a minute has 10.  The compilation before the first one does not count."""
    task = Task()
    loss = task.loss

    def slow_loss(batch, rng):
        clock.now += 100.0 if task.losses == 0 else 6.0
        return loss(batch, rng)
    task.loss = slow_loss
    optimizer = Rates(task.parameters.values(), lr=1.0)
    result = start(tmp_path / "run", task, minutes=1, evaluate_every=4, optimizer=optimizer)
    assert result["steps"] == 10 and result["seconds"] == 60.0 and task.losses == 11
    expected = [warmup_cosine((step + 1) / 10, 0.0, 0.0) for step in range(10)]
    np.testing.assert_allclose(np.ravel(optimizer.rates[1:]), expected)  # the first was the one taken back


def test_what_clipping_and_the_optimizer_compile_does_not_count_either(tmp_path, clock, monkeypatch):
    """Each takes 50 seconds the first time, all that a run of one minute would have."""
    compiled = set()

    def slow_at_first(name, function):
        def call(*args):
            clock.now += 0.0 if name in compiled else 50.0
            compiled.add(name)
            return function(*args)
        return call
    task = Task()
    loss, optimizer = task.loss, Adam(task.parameters.values(), lr=1e-2)

    def loss_of_six_seconds(batch, rng):
        clock.now += 6.0
        return loss(batch, rng)
    task.loss = loss_of_six_seconds
    monkeypatch.setattr(optimizer, "step", slow_at_first("step", optimizer.step))
    monkeypatch.setattr(loop, "clip_grad_norm_", slow_at_first("clip", loop.clip_grad_norm_))
    result = start(tmp_path / "run", task, minutes=1, evaluate_every=4, optimizer=optimizer)
    assert compiled == {"step", "clip"} and result["steps"] == 10 and result["seconds"] == 60.0


def test_warming_up_changes_nothing(tmp_path, clock):
    """The first step of a run by minutes sees the weights, batch, carried state and noise of one by steps."""
    values = []
    for name, budget in [("a", {"steps": 2}), ("b", {"minutes": 1})]:
        task = Task()
        loss = task.loss

        def recorded_loss(batch, rng):
            clock.now += 40.0
            out = loss(batch, rng)
            values.append(out.item())
            return out
        task.loss = recorded_loss
        optimizer = Adam(task.parameters.values(), lr=1e-2)
        start(tmp_path / name, task, optimizer=optimizer, **budget)
        assert optimizer.state_dict()["0.t"] == 2
    assert len(values) == 5 and values[0] == values[3]


def test_evaluation_takes_little_of_the_time(tmp_path, clock):
    """By minutes: evaluations of 3 s leave at least 60 s between them."""
    task = Task()
    loss = task.loss
    times = []

    def slow_loss(batch, rng):
        clock.now += 1.0
        return loss(batch, rng)

    def evaluate():
        times.append(clock.now)
        clock.now += 3.0
        return {"valid_loss": 1.0}
    task.loss, task.evaluate = slow_loss, evaluate
    start(tmp_path / "run", task, minutes=10, evaluate_every=None)
    assert 5 <= len(times) <= 12 and min(np.diff(times[:-1])) >= 63


def test_saving_between_evaluations(tmp_path, clock):
    steps = []
    for name, options in [("by steps", {"save_every": 3}), ("by time", {})]:
        task, saved = Task(), []
        loss, save = task.loss, RunFolder.save_trainer

        def slow_loss(batch, rng):
            clock.now += 25.0
            return loss(batch, rng)
        task.loss = slow_loss
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RunFolder, "save_trainer", lambda run, arrays, meta, model=None: (
                saved.append(meta["step"]), save(run, arrays, meta, model)))
            start(tmp_path / name, task, steps=11, **options)
        steps.append(saved)
    assert steps == [[3, 6, 9, 10, 11], [3, 6, 9, 10, 11]]
