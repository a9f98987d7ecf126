"""Ctrl-C in a real process: the step in hand ends, the run is saved, exit code 130, and it resumes."""
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from tests.process import ROOT
from tests.training.tiny import Task, start
from tinyllm.training.loop import Interrupted, _Interruption
from tinyllm.training.run_folder import RunFolder


def process(path, milliseconds, *resume):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.training.interrupted_run", str(path), str(milliseconds), *resume],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_process_that_receives_sigint_saves_and_resumes(tmp_path):
    run = process(tmp_path / "run", 50)
    steps = 0
    for line in run.stdout:
        assert line == "step\n"
        steps += 1
        if steps == 7:
            run.send_signal(signal.SIGINT)
            run.send_signal(signal.SIGINT)  # an impatient user: the second one tears nothing
    run.stdout.close()
    message = run.stderr.read()
    run.stderr.close()
    assert run.wait() == 130
    assert "stopping after this step, then saving" in message and "Traceback" not in message
    assert f"stopped after step {steps} and saved; --out {tmp_path / 'run'} --resume goes on" in message
    folder = RunFolder.open(tmp_path / "run")
    assert folder.load_trainer()[1]["step"] == steps and folder.load_model()

    resumed = process(tmp_path / "run", 0, "resume")
    out, message = resumed.communicate()
    assert resumed.returncode == 0 and f"going on after step {steps}" not in message  # it is quiet
    assert len(out.split()) == 40 - steps
    start(tmp_path / "whole", Task(), steps=40)
    ours, whole = folder.load_trainer()[0], RunFolder.open(tmp_path / "whole").load_trainer()[0]
    for name, array in whole.items():
        np.testing.assert_array_equal(ours[name], array)


def test_interrupted_while_saving(tmp_path, monkeypatch):
    """Both signals come in the middle of a file: it is written to its end, and the run stops a step later."""
    save = RunFolder.save_trainer

    def interrupted_save(run, arrays, meta, model=None):
        signal.raise_signal(signal.SIGINT)
        save(run, arrays, meta, model)
        signal.raise_signal(signal.SIGINT)
    monkeypatch.setattr(RunFolder, "save_trainer", interrupted_save)
    with pytest.raises(Interrupted, match="stopped after step 11"):
        start(tmp_path / "run", Task(), steps=40)
    assert RunFolder.open(tmp_path / "run").load_trainer()[1]["step"] == 11


def test_interrupted_before_the_first_evaluation_leaves_a_model(tmp_path):
    task = Task(hooks={3: lambda task: signal.raise_signal(signal.SIGINT)})
    with pytest.raises(Interrupted):
        start(tmp_path / "run", task, steps=40)
    for name, array in RunFolder.open(tmp_path / "run").load_model().items():
        np.testing.assert_array_equal(array, task.parameters[name].data)


def test_the_handler_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), _Interruption():
        assert signal.getsignal(signal.SIGINT) is not before
        1 / 0
    assert signal.getsignal(signal.SIGINT) is before


def test_training_in_another_thread(tmp_path):
    """Python allows signal handlers in the main thread only; elsewhere training runs without."""
    results = []
    thread = threading.Thread(target=lambda: results.append(start(tmp_path / "run", Task(), steps=3)))
    thread.start()
    thread.join()
    assert results[0]["steps"] == 3
