"""Weights as int8: the formula, and the whole loop that reads them against the plain loop of the rounded model."""
import numpy as np
import pytest

from tests.oracle import DTYPES, assert_close
from tests.process import run_python
from tinyllm import formulas
from tinyllm.decoding.generate import generate
from tinyllm.kernels import scratch, threads
from tinyllm.kernels.jit import compiling
from tinyllm.models import LanguageModel
from tinyllm.models import packed_weights
from tinyllm.models.decode_kernel import WholeLoop
from tinyllm.models.int8 import dequantize, quantize, quantize_formula, rounded

V = 11


def model(seed=0, dtype=np.float32, **config):
    config = {"vocab_size": V, "embed_dim": 6, "hidden_dim": 8, "num_heads": 2, **config}
    lm = LanguageModel(**config, rng=np.random.default_rng(seed), dtype=dtype)
    for p in lm.parameters():
        p.data *= dtype(2)  # so that the tokens depend on what was read
    return lm


def plain(lm, prompt, n, **choice):
    """The tokens (B, n) of the plain loop, its prompt read at once."""
    with threads.limited(1):
        tokens = generate(lm.step, lm.initial_state(len(prompt)), prompt, vocab_size=lm.config["vocab_size"],
                          max_tokens=n, read=lm.read, **choice)
        return np.stack(list(tokens), axis=1)


def test_worked_example():
    q, scale = quantize(np.array([[1.27, -0.5, 0.004], [0.0, 0.0, 0.0], [-254.0, 3.0, 1.1]]))
    np.testing.assert_array_equal(q, [[127, -50, 0], [0, 0, 0], [-127, 2, 1]])  # 1.5 is rounded to the even 2
    np.testing.assert_allclose(scale, [0.01, np.finfo(np.float64).tiny, 2.0])
    np.testing.assert_allclose(dequantize(q, scale), [[1.27, -0.5, 0], [0, 0, 0], [-254, 4, 2]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray])
def test_kernel_equals_formula(rng, layout, dtype):
    w = rng.standard_normal((37, 70)).astype(dtype) * 10.0 ** rng.integers(-9, 9, (37, 1)).astype(dtype)
    w[3] = 0
    w[5] *= np.finfo(dtype).tiny
    for ours, formula in zip(quantize(layout(w)), quantize_formula(w)):
        assert ours.dtype == formula.dtype
        np.testing.assert_array_equal(ours, formula)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_weight_is_off_by_half_a_scale_at_most(rng, dtype):
    w = rng.standard_normal((50, 33)).astype(dtype)
    w[7] = 0
    q, scale = quantize(w)
    assert q.dtype == np.int8 and scale.dtype == dtype
    assert (abs(q).max(axis=1)[np.arange(50) != 7] == 127).all()
    error = abs(dequantize(q, scale) - w)
    assert (error <= scale[:, None] * dtype(0.5001)).all() and (error.max(axis=1) > 0.4 * scale)[1:5].all()
    assert (dequantize(q, scale)[7] == 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_quantizing_twice_changes_nothing(rng, dtype):
    """But for the last bit of a scale: 127 scale is rounded."""
    q, scale = quantize(rng.standard_normal((500, 9)).astype(dtype))
    again, scale_again = quantize(dequantize(q, scale))
    np.testing.assert_array_equal(again, q)
    np.testing.assert_allclose(scale_again, scale, rtol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_stays_so(rng, wrong):
    w = rng.standard_normal((3, 20))
    w[1, 4] = wrong
    q, scale = quantize(w)
    with np.errstate(invalid="ignore"):
        bad = ~np.isfinite(dequantize(q, scale))
    np.testing.assert_array_equal(bad.all(axis=1), [False, True, False])
    assert not bad[[0, 2]].any()


@pytest.mark.parametrize("config", [{}, {"tie_weights": True}, {"tie_weights": True, "embed_dim": 8}])
def test_what_is_rounded(config):
    """Matrices that are read whole; the rows that are read of an embedding stay, and so does the model."""
    lm = model(num_layers=2, **config)
    before, copy = lm.state_dict(), rounded(lm)
    after = copy.state_dict()
    for name, w in before.items():
        np.testing.assert_array_equal(lm.state_dict()[name], w)
        whole = w.ndim == 2 and name != "embedding.weight"
        np.testing.assert_array_equal(after[name], dequantize(*quantize(w)) if whole else w, err_msg=name)
        assert not whole or (after[name] != w).any()
    if config:
        np.testing.assert_array_equal(copy.output_table.data, dequantize(*quantize(before["embedding.weight"])))


def check(lm, B=3, n=20, prompt=7, **choice):
    """The whole loop gives the tokens of the plain loop of the rounded model, and they depend on something."""
    prompt = np.random.default_rng(2).integers(0, lm.config["vocab_size"], (B, prompt))
    choice = {"temperature": 0.9, **choice}
    ours = lm.generate(prompt, n, int8=True, rng=np.random.default_rng(3), **choice)
    np.testing.assert_array_equal(ours, plain(rounded(lm), prompt, n, rng=np.random.default_rng(3), **choice))
    assert len(np.unique(ours)) > 2


@pytest.mark.parametrize("attention_layers", [0, 2])
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_every_model(cell, attention_layers):
    check(model(cell=cell, num_layers=2, num_attention_layers=attention_layers))


@pytest.mark.parametrize("embed_dim", [8, 6])
def test_tied_weights(embed_dim):
    check(model(embed_dim=embed_dim, tie_weights=True), n=30)


@pytest.mark.parametrize("B", [1, 2, 9])
@pytest.mark.parametrize("prompt", [1, 7])
@pytest.mark.parametrize("choice", [{"temperature": 0}, {"top_k": 5, "top_p": 0.9}, {"repetition_penalty": 1.3}])
def test_batches_prompts_and_ways_to_draw(B, prompt, choice):
    check(model(vocab_size=40, hidden_dim=24), B=B, prompt=prompt, **choice)


def test_float64():
    check(model(dtype=np.float64), n=40)


@pytest.mark.skipif(not compiling(), reason="large for plain Python")
def test_states_are_those_of_the_rounded_model():
    """Within rounding, and not those of the model itself; for sizes that no vector divides, k longer than a block."""
    lm = model(vocab_size=70, embed_dim=37, hidden_dim=531, num_heads=3)
    results = []
    for step, loop in ((lm.step, WholeLoop(lm, int8=True)), (rounded(lm).step, None), (lm.step, None)):
        state = lm.initial_state(5)
        tokens = list(generate(step, state, [[1], [2], [3], [4], [5]], vocab_size=70, max_tokens=4, loop=loop,
                               rng=np.random.default_rng(0)))
        results.append((tokens, state.arrays()))
    (ours, arrays), (theirs, expected), (_, floats) = results
    np.testing.assert_array_equal(ours, theirs)
    for name, array in expected.items():
        assert_close(arrays[name], array, 1e-5)
        assert not np.allclose(arrays[name], floats[name], rtol=1e-3)


@pytest.mark.parametrize("small", [packed_weights.SMALL, 0])
@pytest.mark.parametrize("number", [2, 5])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_parts_change_nothing(cell, number, small, monkeypatch):
    """To the last bit: a scale is its row's, wherever the row is."""
    monkeypatch.setattr(packed_weights, "SMALL", small)
    lm = model(vocab_size=100, embed_dim=37, hidden_dim=70, cell=cell, num_layers=2)
    states = []
    for parts in (1, number):
        monkeypatch.setattr(threads, "count", lambda: parts)
        state, loop = lm.initial_state(7), WholeLoop(lm, int8=True)
        assert loop.packed.places.shape[1] == parts
        list(generate(lm.step, state, np.arange(7)[:, None], vocab_size=100, max_tokens=20, loop=loop,
                      rng=np.random.default_rng(0)))
        states.append(state.arrays())
    for name, array in states[0].items():
        if compiling():
            np.testing.assert_array_equal(array, states[1][name], err_msg=name)
        else:
            np.testing.assert_allclose(array, states[1][name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_matrices_are_a_quarter():
    ours, floats = (WholeLoop(model(hidden_dim=64), int8=int8).packed for int8 in (True, False))
    assert ours.matrices.dtype == np.int8 and ours.matrices.size == floats.matrices.size
    assert ours.vectors.dtype == np.float32 == floats.matrices.dtype
    assert not (ours.scales * ours.vectors.itemsize % scratch.ALIGNMENT).any() and not floats.scales.any()


def test_formulas_round_too():
    lm = model()
    with formulas():
        ours = lm.generate([1, 2, 3], 8, int8=True, temperature=0, rng=None)
        expected = rounded(lm).generate([1, 2, 3], 8, temperature=0, rng=None)
    np.testing.assert_array_equal(ours, expected)


def test_where_nothing_can_be_drawn():
    lm = model()
    lm.output.weight.data[4, 2] = np.nan
    with pytest.raises(ValueError, match="sample: no token can be drawn for row 0: its largest logit is not"):
        lm.generate([1], 3, int8=True, rng=np.random.default_rng(0))


def test_without_compilation():
    code = ("import numpy as np\n"
            "from tinyllm.models import LanguageModel\n"
            "from tinyllm.models.int8 import rounded\n"
            "for cell in ('gru', 'lstm', 'rnn'):\n"
            "    lm = LanguageModel(7, 4, 6, num_heads=2, cell=cell, rng=np.random.default_rng(0))\n"
            "    ours, plain = (m.generate([[1, 2, 3]] * 2, 9, int8=int8, rng=np.random.default_rng(1))\n"
            "                   for m, int8 in ((lm, True), (rounded(lm), False)))\n"
            "    print(np.array_equal(ours, plain))\n")
    assert run_python("-W", "error", "-c", code, NUMBA_DISABLE_JIT="1").split() == ["True"] * 3
