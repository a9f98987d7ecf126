import json
import math

import numpy as np
import pytest

from tests.training.tiny import Task, quiet, start
from tinyllm import Tensor
from tinyllm.optim import Adam, warmup_cosine
from tinyllm.training import loop
from tinyllm.training.average import WeightAverage
from tinyllm.training.loop import NonFinite, TrainingOptions
from tinyllm.training.run_folder import RunFolder


class Rates(Adam):
    """Adam that remembers the rates of its steps."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.rates = []

    def step(self):
        self.rates.append([group["lr"] for group in self.param_groups])
        super().step()


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


def test_learns_and_writes_what_was_promised(tmp_path):
    result = start(tmp_path / "run", Task(), steps=100, lr=0.1)
    log = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert [record["step"] for record in log] == list(range(10, 101, 10))
    assert list(log[0])[:6] == ["step", "epoch", "seconds", "lr", "train_loss", "valid_loss"]
    assert log[-1]["valid_loss"] < 0.3 < 1 < log[0]["train_loss"]
    assert log[0]["epoch"] == 10 / 16
    assert {name: result[name] for name in ("steps", "epochs")} == {"steps": 100, "epochs": 6.25}
    assert result["train_loss"] == log[-1]["train_loss"]
    assert result["valid_loss"] == min(record["valid_loss"] for record in log)
    assert result["perplexity"] == pytest.approx(math.exp(result["valid_loss"]))


def test_the_best_weights_are_kept(tmp_path):
    """The validation loss falls, then grows: the model is that of the lowest, the trainer's the last."""
    task = Task()
    seen, losses = [], iter([3.0, 2.0, 1.0, 2.0, 3.0])

    def evaluate():
        seen.append({name: p.data.copy() for name, p in task.named_parameters()})
        return {"valid_loss": next(losses), "number": len(seen)}
    task.evaluate = evaluate
    result = start(tmp_path / "run", task, steps=50)
    assert result["valid_loss"] == 1.0 and result["number"] == 3
    run = RunFolder.open(tmp_path / "run")
    for name, array in run.load_model().items():
        np.testing.assert_array_equal(array, seen[2][name])
        np.testing.assert_array_equal(run.load_trainer()[0][f"weights/{name}"], seen[4][name])


def test_patience(tmp_path):
    """Two evaluations without a new best, after the second: stops at the fourth; going on changes nothing."""
    task, losses = Task(), iter([3.0, 2.0, 2.0, 2.5])
    task.evaluate = lambda: {"valid_loss": next(losses)}
    assert start(tmp_path / "run", task, steps=1000, patience=2)["steps"] == 40
    again = start(tmp_path / "run", Task(), steps=1000, patience=2, resume=True)
    assert again["steps"] == 40 and again["valid_loss"] == 2.0


def test_without_validation_the_last_weights_are_the_best(tmp_path):
    task = Task()
    task.evaluate, task.valid_targets = dict, 0
    result = start(tmp_path / "run", task, steps=5, evaluate_every=None, patience=1)
    assert list(result) == ["steps", "epochs", "seconds", "train_loss"] and result["steps"] == 5
    for name, array in RunFolder.open(tmp_path / "run").load_model().items():
        np.testing.assert_array_equal(array, task.parameters[name].data)


@pytest.mark.parametrize("options, steps", [
    ({"steps": 7}, 7), ({"epochs": 1}, 16), ({"epochs": 0.5}, 8), ({"epochs": 1, "accumulate": 3}, 6),
    ({"epochs": 0.01}, 1)])
def test_budget_by_steps_and_epochs(tmp_path, options, steps):
    task = Task()
    assert start(tmp_path / "run", task, **options)["steps"] == steps
    assert task.losses == steps * options.get("accumulate", 1)


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
    np.testing.assert_allclose(np.ravel(optimizer.rates), expected)


def test_warming_up_changes_nothing(tmp_path, clock):
    """The first step of a run by minutes sees the batch, the carried state and the noise of one by steps."""
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
        start(tmp_path / name, task, **budget)
    assert len(values) == 5 and values[0] == values[3]


def test_schedule_and_groups(tmp_path):
    """Each group's own rate times the factor at the middle of the step; lr sets them all."""
    for lr, expected in [(None, [0.2, 0.05]), (0.3, [0.3, 0.3])]:
        task = Task()
        first, *rest = task.parameters.values()
        optimizer = Rates([{"params": [first], "lr": 0.2}, {"params": rest}], lr=0.05)
        start(tmp_path / f"run{lr}", task, steps=20, warmup=0.25, lr_floor=0.1, lr=lr, optimizer=optimizer)
        factors = [warmup_cosine((step + 0.5) / 20, 0.25, 0.1) for step in range(20)]
        np.testing.assert_allclose(optimizer.rates, np.outer(factors, expected))


def test_accumulating_is_a_bigger_batch(tmp_path, rng):
    """Two batches a step give the gradient of their mean."""
    class Halves:
        batches = None

        def __init__(self, count):
            self.x = Tensor(np.ones(3, np.float32), requires_grad=True)
            self.numbers = np.split(rng_numbers, count)
            self.batches = self
            self.steps_per_epoch = count

        valid_targets, state_dict, evaluate = 1, dict, lambda self: {"valid_loss": 0.0}

        def named_parameters(self):
            return [("x", self.x)]

        def __next__(self):
            return self.numbers.pop(0)

        def loss(self, batch, rng):
            return ((self.x - Tensor(batch)) ** 2).mean()

        def targets_in(self, batch):
            return len(batch)

    rng_numbers = rng.standard_normal((4, 3)).astype(np.float32)
    moved = []
    for count in (1, 4):
        task = Halves(count)
        start(tmp_path / str(count), task, steps=1, accumulate=count, clip=0.1,
              optimizer=Adam([task.x], eps=0.1))
        moved.append(task.x.data)
    np.testing.assert_allclose(moved[0], moved[1], rtol=1e-6)
    assert (moved[0] != 1).all()


def test_average(tmp_path):
    """a = d a + (1 - d) w with d = min(0.5, (1 + t) / (10 + t)): evaluated and saved."""
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    average = WeightAverage([x], 0.5)
    x.data = np.array([3.0, 2.0])
    average.move(1)
    np.testing.assert_allclose(average.arrays[0], [2 / 11 * 1 + 9 / 11 * 3, 2.0])
    average.move(100)
    np.testing.assert_allclose(average.arrays[0], [0.5 * (2 / 11 * 1 + 9 / 11 * 3) + 0.5 * 3, 2.0])
    with average.in_place():
        assert x.data is average.arrays[0]
    assert x.data[0] == 3.0

    task = Task()
    task.evaluate = lambda: {"valid_loss": float(task.parameters["output.bias"].data.sum())}
    result = start(tmp_path / "run", task, steps=5, average=0.9)
    run = RunFolder.open(tmp_path / "run")
    arrays, model = run.load_trainer()[0], run.load_model()
    assert result["valid_loss"] == float(model["output.bias"].sum())
    for name, array in model.items():
        np.testing.assert_array_equal(array, arrays[f"average/{name}"])
        assert array.dtype == np.float32 and (array != arrays[f"weights/{name}"]).any()
        np.testing.assert_array_equal(task.parameters[name].data, arrays[f"weights/{name}"])


def test_evaluation_is_planned_by_work(tmp_path):
    """60 targets against 3 x 12 x 5 %: every 34 steps."""
    task = Task()
    start(tmp_path / "run", task, steps=100, evaluate_every=None)
    assert [record["step"] for record in RunFolder.open(tmp_path / "run").read_log()] == [34, 68, 100]


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


def poison(name, value):
    def hook(task):
        task.parameters[name].data[...] = value
    return hook


@pytest.mark.parametrize("hooks, message", [
    ({15: poison("output.bias", np.nan)},
     "step 15: the loss is nan: the parameter output.bias is not finite; the run keeps step 10"),
    ({5: poison("embedding.weight", np.inf)},
     "step 5: the loss is nan: the parameter embedding.weight is not finite; nothing was saved yet"),
    ({12: poison("output.weight", 3e38)}, "step 12: the loss is nan: it starts in matmul with output.weight"),
])
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, hooks, message):
    with pytest.raises(NonFinite, match=message):
        start(tmp_path / "run", Task(hooks=hooks), steps=30)
    run = RunFolder.open(tmp_path / "run")
    if min(hooks) > 10:  # the last good checkpoint is there and can be gone on from
        assert run.load_trainer()[1]["step"] == 10
        assert all(np.isfinite(array).all() for array in run.load_model().values())
        assert start(tmp_path / "run", Task(), steps=30, resume=True)["steps"] == 30
    else:
        assert not run.has_trainer


def test_a_gradient_that_is_not_finite_stops_the_run(tmp_path):
    task = Task()
    loss = task.loss

    def loss_with_bad_gradient(batch, rng):
        weight = task.parameters["output.weight"]
        bad = Tensor.from_op(np.zeros((), np.float32), (weight,),
                             lambda dout: (np.full(weight.shape, np.inf, np.float32),))
        return loss(batch, rng) + (bad if task.losses == 13 else Tensor(np.float32(0)))
    task.loss = loss_with_bad_gradient
    before = {}
    task.hooks = {13: lambda task: before.update({n: p.data.copy() for n, p in task.named_parameters()})}
    with pytest.raises(NonFinite, match="step 13: the gradient of output.weight is not finite; the run"):
        start(tmp_path / "run", task, steps=30)
    for name, p in task.named_parameters():
        np.testing.assert_array_equal(p.data, before[name])


def test_a_validation_loss_that_is_not_finite_stops_the_run(tmp_path):
    task, losses = Task(), iter([1.0, np.nan])
    task.evaluate = lambda: {"valid_loss": next(losses)}
    with pytest.raises(NonFinite, match="step 20: the validation loss is nan; the run keeps step 10"):
        start(tmp_path / "run", task, steps=30)
    assert len(RunFolder.open(tmp_path / "run").read_log()) == 1


@pytest.mark.parametrize("options, message", [
    ({"steps": 5, "minutes": 1}, "one of steps, epochs, minutes, got steps=5 and minutes=1"),
    ({"steps": 0}, "steps must be at least 1, got 0"), ({"minutes": -1}, "minutes must be above 0, got -1"),
    ({"lr": 0.0}, "lr must be above 0, got 0.0"), ({"average": 1.0}, r"average must be in \[0, 1\), got 1.0"),
    ({"warmup": float("nan")}, r"warmup must be in \[0, 1\), got nan")])
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=f"TrainingOptions: {message}"):
        TrainingOptions(**options)


def test_options_of_settings():
    assert TrainingOptions.of({"steps": 3, "lr": 0.1, "cell": "gru"}) == TrainingOptions(steps=3, lr=0.1)


def test_no_budget_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="train: a budget of steps, epochs or minutes is needed, got none"):
        start(tmp_path / "run", Task(), progress=quiet())
