import sys

import pytest

from tinyllm.training.plot import plot_run
from tinyllm.training.run_folder import RunFolder


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path / "run", {"task": "tiny", "model": {}})


@pytest.mark.filterwarnings("default")  # what matplotlib warns of is not ours
def test_draws_a_png(run, tmp_path):
    pytest.importorskip("matplotlib")
    for step, loss in [(10, 3.0), (20, 2.0), (30, 2.5)]:
        run.log({"step": step, "lr": 1 / step, "train_loss": loss - 0.5, "valid_loss": loss})
    for out in (plot_run(run.path), plot_run(run.path, tmp_path / "here.png")):
        assert out.read_bytes().startswith(b"\x89PNG") and out.stat().st_size > 5000
    assert out == tmp_path / "here.png" and (run.path / "curves.png").exists()


@pytest.mark.filterwarnings("default")
def test_a_run_without_validation(run):
    pytest.importorskip("matplotlib")
    run.log({"step": 10, "lr": 0.1, "train_loss": 1.0})
    assert plot_run(run.path).exists()


def test_a_run_that_was_not_evaluated(run):
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="has no evaluation in its metrics.jsonl yet"):
        plot_run(run.path)


def test_without_matplotlib(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(RuntimeError, match=r'pip install "tinyllm\[plot\]"'):
        plot_run(run.path)
