"""A run that was broken off and resumed equals, to the bit, one that was not."""
import signal

import numpy as np
import pytest

from tests.training.same_run import assert_same_run
from tests.training.tiny import Task, start
from tinyllm.training.loop import Interrupted
from tinyllm.training.run_folder import RunFolder, RunFolderError


def interrupt(task):
    signal.raise_signal(signal.SIGINT)


OPTIONS = {"plain": {}, "average": {"average": 0.9}, "accumulate": {"accumulate": 3},
           "no clip": {"clip": None},
           "schedule": {"warmup": 0.3, "lr_floor": 0.1, "lr": 0.03},
           "everything": {"average": 0.99, "accumulate": 2, "warmup": 0.1, "evaluate_every": None}}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("breaks", [[50], [45, 1, 7], [100]])  # an epoch has 16 batches
def test_broken_equals_unbroken(tmp_path, options, breaks):
    options = {"steps": 100, **options}
    whole = start(tmp_path / "whole", Task(), **options)
    resume = False
    for stop in breaks:
        task = Task(hooks={1 + (stop - 1) * options.get("accumulate", 1): interrupt})
        with pytest.raises(Interrupted, match="stopped after step"):
            start(tmp_path / "broken", task, resume=resume, **options)
        resume = True
    broken = start(tmp_path / "broken", Task(seed=0 if resume else 1), resume=True, **options)
    del whole["seconds"], broken["seconds"]
    assert whole == broken and whole["steps"] == 100
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_another_seed_is_another_run(tmp_path):
    """The comparison above can fail."""
    for name, seed in [("a", 3), ("b", 4)]:
        start(tmp_path / name, Task(), steps=10, seed=seed)
    with pytest.raises(AssertionError):
        assert_same_run(tmp_path / "a", tmp_path / "b")


def test_evaluations_that_were_not_saved_are_made_again(tmp_path):
    """The first is the best, so only it and the end are saved: a crash in step 35 leaves step 10 and three lines."""
    def never_better(hooks=None):
        task = Task(hooks=hooks)
        task.evaluate = lambda: {"valid_loss": 1.0, "bias": float(task.parameters["output.bias"].data.sum())}
        return task
    start(tmp_path / "whole", never_better(), steps=40)

    def crash(task):
        raise MemoryError
    with pytest.raises(MemoryError):
        start(tmp_path / "broken", never_better({35: crash}), steps=40)
    run = RunFolder.open(tmp_path / "broken")
    assert run.load_trainer()[1]["step"] == 10 and len(run.read_log()) == 3
    start(tmp_path / "broken", never_better(), steps=40, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_what_was_logged_after_the_last_save_is_cut(tmp_path):
    with pytest.raises(Interrupted):
        start(tmp_path / "run", Task(hooks={15: interrupt}), steps=30)
    run = RunFolder.open(tmp_path / "run")
    run.log({"step": 20, "from": "a run that was killed before it saved"})
    start(tmp_path / "run", Task(), steps=30, resume=True)
    assert [record["step"] for record in run.read_log()] == [10, 20, 30]
    assert all("from" not in record for record in run.read_log())


def test_the_horizon_is_kept(tmp_path):
    with pytest.raises(Interrupted):
        start(tmp_path / "run", Task(hooks={5: interrupt}), epochs=2)
    assert start(tmp_path / "run", Task(), resume=True)["epochs"] == 2
    assert start(tmp_path / "run", Task(), resume=True)["steps"] == 32  # nothing left to do


def test_a_new_budget_is_taken(tmp_path):
    start(tmp_path / "run", Task(), steps=10)
    assert start(tmp_path / "run", Task(), steps=20, resume=True)["steps"] == 20
    assert start(tmp_path / "run", Task(), epochs=2, resume=True)["steps"] == 32


def test_other_options_are_refused(tmp_path):
    start(tmp_path / "run", Task(), steps=10)
    with pytest.raises(ValueError, match="other options: clip was 1.0, got 2.0; seed was 3, got 4"):
        start(tmp_path / "run", Task(), steps=10, seed=4, clip=2.0, resume=True)


def test_another_model_is_refused(tmp_path):
    start(tmp_path / "run", Task(), steps=10)
    task = Task()
    task.parameters["output.bias"].data = np.zeros(8, np.float32)
    with pytest.raises(ValueError, match=r"output.bias: expected \(8,\) float32, file has \(7,\) float32"):
        start(tmp_path / "run", task, steps=10, resume=True)


def test_another_text_is_refused(tmp_path):
    start(tmp_path / "run", Task(), steps=10)
    with pytest.raises(ValueError, match="the state belongs to another text"):
        start(tmp_path / "run", Task(length=210), steps=10, resume=True)


def change_trainer(run, change):
    """Let change(arrays, meta) act on what the trainer file holds."""
    arrays, meta = run.load_trainer()
    change(arrays, meta)
    run.save_trainer(arrays, meta)


@pytest.mark.parametrize("change, message", [
    (lambda arrays, meta: meta.pop("rng"), "was not written by this tinyllm .*: rng"),
    (lambda arrays, meta: meta.update(step="ten", best=3), "was not written by this tinyllm .*: step, best"),
    (lambda arrays, meta: meta.pop("options"), "was not written by this tinyllm .*: options"),
    (lambda arrays, meta: meta["options"].update(steps="10"), "was not written by this tinyllm .*: steps"),
    (lambda arrays, meta: arrays.update(step=np.zeros(1)), "was not written by this tinyllm .an array 'step'"),
    (lambda arrays, meta: meta["batches"].pop("text"), r"does not fit this run \('text' is missing\)"),
    (lambda arrays, meta: meta["rng"].pop("state"), r"does not fit this run \('state' is missing\)"),
    (lambda arrays, meta: meta["rng"].update(bit_generator="MT19937"), "does not fit this run"),
    (lambda arrays, meta: arrays.pop("optimizer/0.m"), "does not fit this run .*0.m: missing"),
])
def test_the_trainer_file_of_another_program_is_named(tmp_path, change, message):
    start(tmp_path / "run", Task(), steps=10)
    change_trainer(RunFolder.open(tmp_path / "run"), change)
    with pytest.raises(RunFolderError, match=f"run/trainer.safetensors: {message}"):
        start(tmp_path / "run", Task(), steps=20, resume=True)


def test_an_option_that_an_older_run_did_not_have_is_its_default(tmp_path):
    start(tmp_path / "run", Task(), steps=10)
    change_trainer(RunFolder.open(tmp_path / "run"), lambda arrays, meta: [
        meta["options"].pop(name) for name in ("average", "minutes")])
    assert start(tmp_path / "run", Task(), resume=True)["steps"] == 10
    with pytest.raises(ValueError, match="other options: average was 0.0, got 0.9"):
        start(tmp_path / "run", Task(), average=0.9, resume=True)


def test_a_run_older_than_a_counter_goes_on(tmp_path):
    start(tmp_path / "run", Task(), steps=10)
    change_trainer(RunFolder.open(tmp_path / "run"), lambda arrays, meta: meta.pop("targets"))
    assert start(tmp_path / "run", Task(), steps=20, resume=True)["steps"] == 20
