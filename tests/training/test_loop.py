import json
import math

import numpy as np
import pytest

from tests.training.tiny import Rates, Task, quiet, start
from tinyllm import Tensor
from tinyllm.optim import Adam, warmup_cosine
from tinyllm.training.loop import TrainingOptions
from tinyllm.training.run_folder import RunFolder


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


def test_equal_weights_are_told_apart_by_what_comes_next(tmp_path):
    """A criterion of two numbers: the score first, and where it is equal the loss."""
    task, evaluations = Task(), iter([(1, 0.5), (2, 0.9), (2, 0.7), (2, 0.8), (1, 0.1)])
    task.evaluate = lambda: dict(zip(("score", "valid_loss"), next(evaluations)))
    task.criterion = lambda fields: (-fields["score"], fields["valid_loss"])
    result = start(tmp_path / "run", task, steps=50)
    assert (result["score"], result["valid_loss"]) == (2, 0.7)


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
    """Several batches a step give the gradient of the mean over all their targets, however these are spread."""
    class Parts:
        def __init__(self, *ends):
            self.x = Tensor(np.ones(3, np.float32), requires_grad=True)
            self.numbers = np.split(rng_numbers, ends)
            self.batches = self
            self.steps_per_epoch = len(self.numbers)

        valid_targets, decides, state_dict, evaluate = 1, "valid_loss", dict, lambda self: {"valid_loss": 0.0}

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
    for ends in [(), (1, 2, 3), (1,)]:
        task = Parts(*ends)
        start(tmp_path / str(len(moved)), task, steps=1, accumulate=len(ends) + 1, clip=0.1,
              optimizer=Adam([task.x], eps=0.1))
        moved.append(task.x.data)
    np.testing.assert_allclose(moved, [moved[0]] * 3, rtol=1e-6)
    assert (moved[0] != 1).all()


def test_average(tmp_path):
    """It is what is evaluated and saved."""
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
    """60 targets against 3 x 12 x 5 %: every 34 steps, however small the first batch is."""
    for first, expected in [(12, [34, 68, 100]), (1, [35, 69, 100])]:
        task, counts = Task(), [first]
        task.targets_in = lambda batch: counts.pop() if counts else 12
        start(tmp_path / str(first), task, steps=100, evaluate_every=None)
        assert [record["step"] for record in RunFolder.open(tmp_path / str(first)).read_log()] == expected


@pytest.mark.parametrize("valid_targets", [0, 1])
@pytest.mark.parametrize("steps, lines", [(500, 50), (120, 40), (51, 26), (3, 3)])
def test_no_more_than_fifty_evaluations_are_planned(tmp_path, valid_targets, steps, lines):
    """Without a validation text they would cost nothing, but each writes to the log."""
    task = Task()
    task.valid_targets = valid_targets
    if not valid_targets:
        task.evaluate = dict
    start(tmp_path / "run", task, steps=steps, evaluate_every=None)
    assert len(RunFolder.open(tmp_path / "run").read_log()) == lines


def test_an_evaluation_saves_what_is_new(tmp_path, monkeypatch):
    """New best weights after the steps 1 and 4; the end is saved in any case."""
    task, losses, saved = Task(), iter([2.0, 3.0, 2.0, 1.0, 2.0, 3.0]), []
    task.evaluate = lambda: {"valid_loss": next(losses)}
    save = RunFolder.save_trainer
    monkeypatch.setattr(RunFolder, "save_trainer", lambda run, arrays, meta, model=None: (
        saved.append((meta["step"], model is not None)), save(run, arrays, meta, model)))
    start(tmp_path / "run", task, steps=6, evaluate_every=1)
    assert saved == [(1, True), (4, True), (6, False)]


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
