"""A run that was broken off and resumed equals, to the bit, one that was not."""
import signal

import numpy as np
import pytest

from tests.training.tiny import Task, start
from tinyllm.training.loop import Interrupted
from tinyllm.training.run_folder import RunFolder


def interrupt(task):
    signal.raise_signal(signal.SIGINT)


def state(path):
    """Everything that must be equal: arrays, meta and log without times."""
    run = RunFolder.open(path)
    arrays, meta = run.load_trainer()
    log = run.read_log()
    for timed in [meta, *log]:
        del timed["seconds"]
    for timed in ("metrics_length", "metrics_sha256"):  # they hash the seconds
        del meta[timed]
    return arrays, meta, log, run.load_model()


def assert_equal_arrays(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype and a[name].tobytes() == b[name].tobytes(), name


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
    for a, b in zip(state(tmp_path / "whole"), state(tmp_path / "broken"), strict=True):
        if isinstance(a, dict) and a and isinstance(next(iter(a.values())), np.ndarray):
            assert_equal_arrays(a, b)
        else:
            assert a == b


def test_another_seed_is_another_run(tmp_path):
    """The comparison above can fail."""
    for name, seed in [("a", 3), ("b", 4)]:
        start(tmp_path / name, Task(), steps=10, seed=seed)
    a, b = (state(tmp_path / name)[0] for name in "ab")
    assert any(a[name].tobytes() != b[name].tobytes() for name in a)


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
