import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import torch_or_skip
from tinyllm.autograd import formulas
from tinyllm.decoding.sampling import sample

PROBABILITIES = [0.5, 0.25, 0.125, 0.125]
LOGITS = np.log([PROBABILITIES])


def drawn(u, logits=LOGITS, **settings):
    """The id that each u draws from one row of logits by the kernel; the formula has to draw the same."""
    rows = np.repeat(logits, len(u), 0)
    if "seen" in settings:
        settings["seen"] = np.repeat([settings["seen"]], len(u), 0)
    ids = sample(rows, u, **settings)
    with formulas():
        np.testing.assert_array_equal(sample(rows, u, **settings), ids)
    return ids.tolist()


def test_draw_is_the_inverse_of_the_cumulative_sum():
    """The sums are 0.5, 0.75, 0.875, 1: u falls into [0, 0.5), [0.5, 0.75), ..."""
    assert drawn([0.0, 0.49, 0.51, 0.74, 0.76, 0.87, 0.88, np.nextafter(1, 0)]) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_equal_logits_draw_exactly_at_the_border():
    assert drawn([0.0, 0.25, 0.5, 0.75], np.zeros((1, 4))) == [0, 1, 2, 3]


def test_temperature_zero_takes_the_largest_and_the_first_of_equal_ones():
    assert drawn([0.9], np.array([[1.0, 3.0, 3.0, 2.0]]), temperature=0) == [1]


def test_temperature_two_draws_from_the_roots():
    """Weights sqrt(p) = 0.707, 0.5, 0.354, 0.354; the first two are 0.369 and 0.261 of their sum."""
    assert drawn([0.368, 0.370, 0.629, 0.631], temperature=2.0) == [0, 1, 1, 2]


def test_temperature_near_zero_does_not_overflow():
    assert drawn([0.0, 0.999], np.array([[5.0, 1e4, -np.inf, 9999.0]]), temperature=1e-310) == [1, 1]


def test_top_k_keeps_the_first_ids_of_equal_ones():
    """Of the two with 1/8 the first stays: the weights are 4 : 2 : 1."""
    assert drawn([0.57, 0.58, 0.85, 0.86, 0.99], top_k=3) == [0, 1, 1, 2, 2]
    assert drawn([0.0, 0.99], np.zeros((1, 5)), top_k=1) == [0, 0]


@pytest.mark.parametrize("p, kept", [(0.4, 1), (0.51, 2), (0.74, 2), (0.76, 3), (0.87, 3), (0.88, 4), (1, 4)])
def test_top_p_keeps_the_shortest_beginning_that_reaches_p(p, kept):
    assert max(drawn(np.linspace(0, 0.999, 50), top_p=p)) == kept - 1


def test_top_p_counts_what_top_k_left():
    """After top_k = 2 the probabilities are 2/3 and 1/3, so p = 0.6 needs one; without top_k it needs two."""
    assert max(drawn([0.0, 0.999], top_k=2, top_p=0.6)) == 0
    assert max(drawn([0.0, 0.999], top_p=0.6)) == 1


def test_penalty_divides_positive_logits_and_multiplies_negative_ones():
    logits = np.array([[2.0, -1.0, 1.5, 0.0]])
    chosen = {"temperature": 0, "repetition_penalty": 2.0}
    assert drawn([0.5], logits, seen=[False, False, False, False], **chosen) == [0]
    assert drawn([0.5], logits, seen=[True, False, False, False], **chosen) == [2]
    assert drawn([0.5], logits, seen=[True, False, True, False], **chosen) == [0]
    assert drawn([0.5], logits - 3, seen=[True, False, False, False], **chosen) == [2]


def test_banned_and_impossible_ids_are_never_drawn():
    banned = np.array([True, False, False, False])
    logits = np.array([[5.0, 1.0, -np.inf, 1.0]])
    assert drawn(np.linspace(0, 0.999, 40), logits, banned=banned) == [1] * 20 + [3] * 20
    assert drawn([0.0, 0.999], logits, banned=banned, temperature=0) == [1, 1]
    assert drawn([0.0, 0.999], logits, banned=banned, top_k=1) == [1, 1]


@st.composite
def settings(draw, V):
    return {
        "temperature": draw(st.sampled_from([0.0, 0.1, 0.8, 1.0, 3.0])),
        "top_k": draw(st.none() | st.integers(1, V)),
        "top_p": draw(st.none() | st.floats(0.01, 1.0) | st.just(1 - 1e-14)),
        "repetition_penalty": draw(st.sampled_from([1.0, 1.3, 0.7]))}


@given(data=st.data(), B=st.integers(1, 5), V=st.integers(1, 70), steps=st.sampled_from([0.5, 1e-9]),
       dtype=st.sampled_from([np.float32, np.float64]), seed=st.integers(0, 999))
def test_kernel_equals_formula(data, B, V, steps, dtype, seed):
    """Id for id; steps of 0.5 make many logits equal."""
    rng = np.random.default_rng(seed)
    logits = (np.round(4 * rng.standard_normal((B, V)) / steps) * steps).astype(dtype)
    logits[:, 1:][rng.random((B, V - 1)) < 0.1] = -np.inf
    chosen = {**data.draw(settings(V)), "seen": rng.random((B, V)) < 0.3}
    for u in rng.random((20, B)):
        ids = sample(logits, u, **chosen)
        with formulas():
            np.testing.assert_array_equal(sample(logits, u, **chosen), ids)


@pytest.mark.parametrize("chosen", [
    {}, {"top_k": 50}, {"top_k": 5000}, {"top_p": 0.9}, {"top_p": 0.9999999999}, {"top_k": 200, "top_p": 0.5},
    {"temperature": 0.2, "top_p": 0.95}])
def test_kernel_equals_formula_on_a_large_vocabulary(rng, chosen):
    logits = (3 * rng.standard_normal((3, 32_000))).astype(np.float32)
    u = rng.random(3)
    ids = sample(logits, u, **chosen)
    with formulas():
        np.testing.assert_array_equal(sample(logits, u, **chosen), ids)


@pytest.mark.parametrize("chosen", [{}, {"temperature": 0.7}, {"top_k": 6}, {"top_p": 0.8}])
def test_draws_have_the_probabilities_of_the_model(rng, chosen):
    """chi^2 = sum (count - n p)^2 / (n p) is about 9 for 10 ids, above 40 less than once in 100,000 times."""
    logits, n = rng.standard_normal(10), 20_000
    z = logits / chosen.get("temperature", 1.0)
    p = np.exp(z) / np.exp(z).sum()
    order = np.argsort(-p)
    if "top_p" in chosen:
        p[order[np.searchsorted(np.cumsum(p[order]), chosen["top_p"]) + 1:]] = 0
    p[order[chosen.get("top_k", 10):]] = 0
    p /= p.sum()
    counts = np.bincount(sample(np.repeat(logits[None], n, 0), rng.random(n), **chosen), minlength=10)
    assert (counts[p == 0] == 0).all()
    kept = p > 0
    assert ((counts[kept] - n * p[kept]) ** 2 / (n * p[kept])).sum() < 40


def test_kept_ids_are_those_of_torch(rng):
    """topk, then the mass before each id in the sorted order; a kept id has 0.15 / 11 of it at the least."""
    torch = torch_or_skip()
    for _ in range(10):
        x = torch.tensor(3 * rng.standard_normal(40))
        values, ids = torch.topk(x, 12)
        p = torch.softmax(values, -1)
        expected = set(ids[p.cumsum(-1) - p < 0.85].tolist())
        assert set(drawn(np.linspace(0, 0.999, 300), x.numpy()[None], top_k=12, top_p=0.85)) == expected


def test_rows_do_not_know_each_other(rng):
    logits, u = rng.standard_normal((6, 30)), rng.random(6)
    together = sample(logits, u, top_p=0.9)
    assert [sample(logits[[b]], u[[b]], top_p=0.9)[0] for b in range(6)] == together.tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_an_error(value):
    logits = np.zeros((2, 3))
    logits[1, 2] = value
    for temperature in (0, 1):
        with pytest.raises(ValueError, match="sample: no token can be drawn for row 1"):
            sample(logits, [0.5, 0.5], temperature=temperature)
        with formulas(), pytest.raises(ValueError, match="sample: no token can be drawn for row 1"):
            sample(logits, [0.5, 0.5], temperature=temperature)
    with pytest.raises(ValueError, match="sample: no token can be drawn for row 0"):
        sample(logits, [0.5, 0.5], banned=np.ones(3, bool))


@pytest.mark.parametrize("wrong, message", [
    ({"temperature": -1}, "sample: temperature must be at least 0, got -1"),
    ({"temperature": np.nan}, "sample: temperature must be at least 0, got nan"),
    ({"top_k": 0}, r"sample: top_k must be an integer in 1..4 \(the vocabulary\), got 0"),
    ({"top_k": 5}, r"sample: top_k must be an integer in 1..4 \(the vocabulary\), got 5"),
    ({"top_k": 1.5}, "sample: top_k must be an integer in 1..4"),
    ({"top_p": 0}, "sample: top_p must be above 0 and at most 1, got 0"),
    ({"top_p": 1.1}, "sample: top_p must be above 0 and at most 1, got 1.1"),
    ({"repetition_penalty": 0}, "sample: repetition_penalty must be above 0, got 0"),
    ({"repetition_penalty": 2}, "sample: seen must be given where repetition_penalty is not 1, got None"),
    ({"u": [1.0]}, r"sample: u must be in \[0, 1\), got 1.0"),
    ({"u": [np.nan]}, r"sample: u must be in \[0, 1\), got nan"),
    ({"u": [0.5, 0.5]}, r"sample: u must be \(B,\) with B = 1 as in logits, got shape \(2,\)"),
    ({"logits": np.zeros(4)}, r"sample: logits must be \(B, V\), got shape \(4,\)"),
    ({"logits": np.zeros((1, 4), int)}, "sample: logits must be floats with V >= 1, got int64"),
    ({"seen": np.zeros((1, 5), bool)}, r"seen must be \(B, V\) with V = 4 as in logits, got shape \(1, 5\)"),
    ({"seen": np.zeros((1, 4))}, "sample: seen must be bool, got float64"),
    ({"banned": np.zeros((1, 4), bool)}, r"sample: banned must be \(V,\), got shape \(1, 4\)"),
])
def test_wrong_input_is_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        sample(**{"logits": np.zeros((1, 4)), "u": [0.5], **wrong})
