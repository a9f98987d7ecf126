import sys

import numpy as np
import pytest

from tinyllm.training import plot
from tinyllm.training.plot import plot_attention, plot_run
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


@pytest.mark.filterwarnings("default", "error:Glyph")  # a missing glyph would be our doing
def test_draws_where_a_model_looked(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    tokens_out, tokens_in = ["她", "买了", "$", "</s>"], ["She", " bought", " $ 5", " ", "\n"]
    for fonts in (plot.CJK_FONTS, ()):
        monkeypatch.setattr(plot, "CJK_FONTS", fonts)
        out = plot_attention(tokens_out, tokens_in, np.full((4, 5), 0.2), tmp_path / "attention.png")
        assert out.read_bytes().startswith(b"\x89PNG") and out.stat().st_size > 3000


def test_labels_are_what_a_font_can_draw(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(plot, "CJK_FONTS", ())
    _, written, read = plot._drawable(["a", "她", "</s>"], [" She", "\n"])
    assert written == ["a", "2", "</s>"] and read == ["She", "'\\n'"]
    monkeypatch.setattr(plot, "CJK_FONTS", ("not here", "cmr10", "STIXGeneral"))
    font, letters = plot._drawable(["\u2322"])  # a frown, which matplotlib's own font lacks
    assert letters == ["\u2322"] and "STIX" in font.get_file()


def test_weights_of_another_shape():
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match=r"weights must be \(T, S\) = \(2, 1\), got shape \(1, 2\)"):
        plot_attention(["a", "b"], ["c"], [[0.5, 0.5]], "not-made.png")
