"""kill -9 at random moments while a checkpoint is written: the newest complete one always loads (PROMISES 8).

    python -m tests.training.crash [--kills 200] [--seed 0]

A child opens the run, goes on from its newest checkpoint and saves one after another without a pause: a log
line, a trainer and, every other time, a model; it says the number of each that is complete.  It is killed
somewhere in there.  Then everything in the folder must be of one checkpoint, not older than the last one that
was reported.  Every fifth child makes new run folders instead: what is left must be a run, or say that it is
half created, and a new run can be made in its place.
"""
import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tinyllm.training.run_folder import RunFolder, RunFolderError

CONFIG = {"task": "lm", "model": {"hidden_dim": 16}}
TOKENIZER = '{"type": "char", "characters": ["a", "b"]}'
NUMBERS = 60_000  # as many as make writing take about as long as the fsyncs


def filled(number):
    """Arrays that show of which checkpoint they are."""
    return {"weight": np.full((NUMBERS // 10, 10), number, np.float32),
            "bias": np.full(7, number, np.float64)}


def number_of(arrays):
    """The one number that all the arrays are filled with."""
    numbers = {float(value) for array in arrays.values() for value in np.unique(array)}
    assert len(numbers) == 1 and len(arrays) == 2, f"a mixture of checkpoints {sorted(numbers)}"
    return int(numbers.pop())


def newest(path):
    """The number of the run's checkpoint, after checking that the whole folder is of that one."""
    run = RunFolder.open(path)
    seen_first = number_of(run.load_model())
    arrays, meta = run.load_trainer()
    number = number_of(arrays)
    run.truncate_log(meta["metrics_length"])
    assert meta["number"] == number
    assert number_of(run.load_model()) == seen_first == number - number % 2, "the model is of another one"
    assert [record["number"] for record in run.read_log()] == list(range(number + 1))
    return number


def save_for_ever(path, report):
    number = newest(path)
    run = RunFolder.open(path)
    while True:
        number += 1
        run.log({"number": number})
        run.save_trainer(filled(number), {"number": number}, model=None if number % 2 else filled(number))
        report(number)


def create_for_ever(path, report):
    number = 0
    while True:
        run = RunFolder.create(path, CONFIG, TOKENIZER, force=True)
        run.log({"number": 0})
        run.save_trainer(filled(0), {"number": 0}, model=filled(0))
        report(number := number + 1)


def kill_during(work, path, rng):
    """Run work(path, report) in a child, kill it at a random moment; the last number that it reported."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):  # the parent sees that it ended by itself
            work(path, lambda number: os.write(writing, number.to_bytes(4, "little")))
        os._exit(1)
    os.close(writing)
    with open(reading, "rb") as pipe:
        pipe.read(4)  # it is at work now
        time.sleep(rng.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        reports = pipe.read()
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status), "the child ended by itself"
    return int.from_bytes(reports[-4:], "little")


def check_created(path):
    """What a kill in create() left: a run, or a folder that says it is half created and can be made anew."""
    try:
        RunFolder.open(path)
        force = True
    except RunFolderError as error:
        assert "half created" in str(error), error
        force = False
    RunFolder.create(path, CONFIG, TOKENIZER, force=force)
    assert RunFolder.open(path).tokenizer_json == TOKENIZER


def main(arguments=None):
    parser = argparse.ArgumentParser(description="kill -9 while a checkpoint is written")
    parser.add_argument("--kills", type=int, default=200, help="how many children are killed (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        path, new = Path(folder, "run"), Path(folder, "new")
        run = RunFolder.create(path, CONFIG, TOKENIZER)
        run.log({"number": 0})
        run.save_trainer(filled(0), {"number": 0}, model=filled(0))
        between = unfinished = 0
        for kill in range(options.kills):
            if kill % 5 == 4:
                kill_during(create_for_ever, new, rng)
                check_created(new)
                continue
            reported = kill_during(save_for_ever, path, rng)
            leftovers = [file.name for file in path.iterdir() if file.name.startswith(".")]
            unfinished += bool(leftovers)
            between += ".model.safetensors.tmp" in leftovers
            number = newest(path)
            assert number >= reported, f"checkpoint {reported} was complete, {number} is what loads"
    print(f"{options.kills} kills, {unfinished} of them inside a save ({between} with a model under its "
          f"temporary name), {number} checkpoints: after each kill the newest complete one loaded")
    return 0


if __name__ == "__main__":
    sys.exit(main())
