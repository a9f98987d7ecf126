"""The benchmarks, but for the time that they take: what is counted, compared, kept and drawn."""
import json
import sys

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import growth, limits, plot, start
from benchmarks.reading import STREAMS, totals
from benchmarks.sizes import SIZES
from benchmarks.timing import Contender, agreement, compare
from tests.oracle import torch_or_skip
from tests.process import run_python

TINY = {"vocab_size": 5, "embed_dim": 2, "hidden_dim": 4, "num_layers": 2, "num_attention_layers": 1, "num_heads": 2,
        "cell": "gru", "batch": 3, "seq_len": 7}
LIMIT = {"operations": 1e6, "memory": 1e3, "read": {"tiny": 1e5}}


@pytest.fixture
def tiny(monkeypatch):
    """A size that can be counted by hand."""
    monkeypatch.setitem(SIZES, "tiny", TINY)


def test_operations_by_hand(tiny, monkeypatch):
    recurrent = 2 * 12 + 4 * 12 + 4 * 12 + 4 * 12  # W_ih and W_hh of each layer: 3 gates of 4
    attention, output = 4 * 12 + 4 * 4, 4 * 5
    scores = 4 * (1 + 2 + 3 + 4 + 5 + 6 + 7)  # of a text: position t sees t; as much again for the mixture
    assert limits.operations("tiny", 3, 7) == 2 * 3 * (7 * (recurrent + attention + output) + 2 * scores)
    assert limits.weight_bytes("tiny") == 4 * (recurrent + attention + output)
    monkeypatch.setitem(SIZES, "tiny", {**TINY, "cell": "lstm", "num_layers": 1, "num_attention_layers": 0})
    assert limits.operations("tiny", 1, 1) == 2 * (2 * 16 + 4 * 16 + 4 * 5)


@pytest.mark.parametrize("size", ["S", "S-lstm", "M", "seq2seq"])
def test_the_weights_counted_are_those_of_the_model(size):
    """All matrices but the embedding, of which rows are read, and the bridge, which a text needs once."""
    from benchmarks.sizes import our_model
    arrays = {name: array for name, array in our_model(size).state_dict().items() if array.ndim == 2}
    products = [array.shape[::-1] for name, array in arrays.items() if "embedding" not in name and "bridge" not in name]
    if size == "seq2seq":  # one table, which is the output layer too
        products.append(arrays["encoder.embedding.weight"].shape[::-1])
    assert sorted(limits.weights(size)) == sorted(products)


def test_share_of_the_limit(tiny):
    step = 3 * limits.operations("tiny", 3, 7)  # forward, and twice that backward, of 21 tokens
    assert limits.share("train", "tiny", 3, 21 * 1e6 / step / 2, LIMIT) == pytest.approx(0.5)
    token = limits.weight_bytes("tiny")
    assert limits.share("generate", "tiny", 1, 1e5 / token / 4, LIMIT) == pytest.approx(0.25)
    many = limits.share("generate", "tiny", 16, 16 * 1e5 / token / 4, LIMIT)  # so many read as much and compute more
    assert many == pytest.approx(16e5 / token / 4 * limits.operations("tiny", 1, 256) / 256 / 1e6)
    assert limits.share("translate", "tiny", 1, 1.0, LIMIT) is None


def test_reading_reads_everything(rng):
    array = rng.standard_normal((3, 5 * STREAMS)).astype(np.float32)
    np.testing.assert_allclose(totals(array), array.sum(axis=1), rtol=1e-5, atol=1e-5)


def contender(name, result):
    """One that has answered."""
    one = Contender.__new__(Contender)
    one.name, one.result = name, result
    return one


@pytest.mark.parametrize("result, wrong, message", [
    ([4.0, 3.0], [4.0, 3.001], r"torch: losses \[4.0, 3.001\], ours's \[4.0, 3.0\]"),
    ([[1, 2, 3, 4]], [[1, 9, 3, 4]], "torch: equal to ours for only 25% of the tokens"),
    (["1 2", "3"], ["1 2", "4"], "torch: 1 of 2 texts are not ours's"),
    ([4.0, 3.0], [4.0], "torch: results of shape")])
def test_what_disagrees_is_refused(result, wrong, message):
    agreement([contender("ours", result), contender("torch", result)])
    with pytest.raises(ValueError, match=message):
        agreement([contender("ours", result), contender("torch", wrong)])


@pytest.mark.slow  # two processes, each on kernels or PyTorch
def test_lstm_losses_agree_before_they_are_timed(tmp_path):
    torch_or_skip()
    from benchmarks.sizes import our_model
    weights = tmp_path / "weights.npz"
    np.savez(weights, **our_model("S-lstm").state_dict())
    done = compare(["ours", "torch-fused"], "train", "S-lstm", 32, weights, 1, rounds=0)
    assert len(done["ours"].result) == 3 and done["ours"].tokens == done["torch-fused"].tokens


def test_sentences_are_translated_together_as_one_by_one(monkeypatch, rng):
    from benchmarks.sizes import sentences
    from benchmarks.worker import ours_translate
    monkeypatch.setitem(SIZES, "seq2seq", {**SIZES["seq2seq"], "vocab_size": 50, "embed_dim": 16, "hidden_dim": 16})
    texts = sentences("seq2seq", 3, rng)
    together, one_by_one = (ours_translate("seq2seq", 3, None, together)(texts) for together in (True, False))
    assert together == one_by_one and all(set(text.split()) <= set(map(str, range(50))) for text in together)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process does not inherit the peak")
def test_peak_memory_is_the_process_own():
    np.ones(50_000_000)  # 400 MB, which a child's getrusage would show
    assert int(run_python("-c", "from benchmarks.worker import peak_bytes; print(peak_bytes())")) < 300e6


def test_points_of_growth():
    points = growth.points()
    assert len(points) == 5 + 8 + 5 + 4
    for axis, value, size in points:
        name = {"T": "seq_len", "B": "batch", "H": "hidden_dim", "V": "vocab_size"}[axis]
        assert SIZES[size] == {**SIZES["S"], name: value}


def point(size, threads, rounds):
    """A row's figures, made up: PyTorch faster where texts are many."""
    ours, other = 1e6 * threads / SIZES[size]["hidden_dim"], 40 * threads * SIZES[size]["batch"]
    return {"ours": ours, "best_other": other, "other": "torch-fused", "ratio": ours / other, "peak_bytes": 3e8,
            "other_peak_bytes": 4e8, "seconds": {}, "tokens": {}}


def test_what_axes_share_is_timed_once(monkeypatch):
    timed = []
    monkeypatch.setattr(growth, "point", lambda *given: timed.append(given[:2]) or point(*given))
    rows = list(growth.measure(3))
    assert len(rows) == 2 * len(growth.points()) and len(timed) == len(set(timed)) == len(rows) - 4
    shared = [row for row in rows if (row["axis"], row["value"]) in [("T", 128), ("B", 32), ("H", 256)]]
    assert len(shared) == 6 and {row["ours"] for row in shared} == {1e6 / 256, 2e6 / 256}
    assert growth.table(rows).split("\n")[2].startswith("| T = 64 | 3,906 | 1,280 | 3.05 | 300 | 400 | 7,812 | 2,560 |")


def test_an_interrupted_run_keeps_its_rows(monkeypatch, tmp_path, capsys):
    def until_T128(size, threads, rounds):
        if size == "S-T128":
            raise KeyboardInterrupt
        return point(size, threads, rounds)
    monkeypatch.setattr(growth, "point", until_T128)
    monkeypatch.setattr(command, "machine", lambda: {"processor": "one", "threads": 2})
    with pytest.raises(KeyboardInterrupt):
        command.main(["growth", "--json", str(tmp_path / "all.json")])
    kept = json.loads((tmp_path / "all.json").read_text())
    assert [(row["axis"], row["value"], row["threads"]) for row in kept["growth"]] == [("T", 64, 1), ("T", 64, 2)]
    assert "one, 2 threads" in capsys.readouterr().out and kept["machine"]["threads"] == 2


def test_wrong_work(capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["train-XL"])
    assert stop.value.code == 2 and "WORK must be among train-S, " in capsys.readouterr().err


def test_seconds_of_a_process_that_shows_nothing():
    assert start.seconds(["-c", "print('x')"]) > 0
    for code, message in [("import sys; sys.exit('no such run')", "exit code 1, no such run"), ("0", "exit code 0, ")]:
        with pytest.raises(RuntimeError, match=message):
            start.seconds(["-c", code])


def test_picture_of_ratios(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [{"work": "train-S", "ratio": 1.5, "floor": 1.5, "of_limit": 0.6},
            {"work": "train-S-lstm", "ratio": 1.1, "floor": 1.2, "of_limit": 0.55},
            {"work": "translate-1000", "ratio": 6.1, "floor": 3.0, "of_limit": None}]
    axes = plot.plot_ratios(rows, tmp_path / "ratios.png", "a machine").axes[0]
    assert (tmp_path / "ratios.png").read_bytes().startswith(b"\x89PNG")
    assert [bar.get_width() for bar in axes.patches] == [1.5, 1.1, 6.1]
    assert axes.patches[0].get_facecolor() != axes.patches[1].get_facecolor() != axes.patches[2].get_facecolor()
    assert [text.get_text() for text in axes.texts] == ["1.50, 60% of the limit", "1.10, 55% of the limit", "6.10"]


def test_picture_of_growth(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(growth, "point", point)
    rows = list(growth.measure(3))
    figure = plot.plot_growth(rows, tmp_path / "growth.png", "a machine")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
    assert [panel.get_xlabel() for panel in figure.axes] == ["T", "B", "H", "V"]
    lines = figure.axes[2].lines
    np.testing.assert_allclose(lines[0].get_xydata()[:, 1], [1e6 / H for H in (64, 128, 256, 512, 1024)])
    slower = [(row["axis"], row["ours"]) for row in rows if row["ratio"] < 1]
    assert slower and [(panel.get_xlabel(), y) for panel in figure.axes for y in panel.lines[-1].get_ydata()] == slower


@pytest.mark.parametrize("arguments, message", [
    (["--rounds", "0"], "--rounds: must be an integer at least 1, got 0"),
    (["--growth-rounds", "-1"], "--growth-rounds: must be an integer at least 1, got -1"),
    (["train-T"], "WORK must be among"),
    (["--json", "nowhere/figures.json"], "--json must be a file in a folder that exists, got nowhere/figures.json"),
    (["--json", "."], "--json must be a file in a folder that exists, got ."),
    (["--plot", "nowhere/speed.png"], "--plot must be a file in a folder that exists, got nowhere/speed.png")])
def test_what_cannot_be_done_is_said_before_anything_is_measured(arguments, message, capsys):
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert message in capsys.readouterr().err
