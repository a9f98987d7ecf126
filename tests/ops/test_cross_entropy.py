import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import DTYPES, FORMULA_TOLERANCE, TORCH_TOLERANCE, assert_close, torch_or_skip
from tinyllm.autograd import Tensor, formulas
from tinyllm.gradcheck import gradcheck
from tinyllm.kernels import threads
from tinyllm.ops.cross_entropy import IGNORE, cross_entropy

TARGETS = np.array([2, 0, IGNORE, 4])


def test_worked_example():
    """softmax([0, log 3]) = [1/4, 3/4], so the loss of target 1 is -log(3/4) and its gradient [1/4, -1/4]."""
    x = Tensor(np.array([[0.0, np.log(3.0)]]), requires_grad=True)
    loss = cross_entropy(x, [1])
    loss.backward()
    assert loss.item() == pytest.approx(-np.log(0.75))
    np.testing.assert_allclose(x.grad, [[0.25, -0.25]])


def test_worked_example_smoothed():
    """Smoothed by 0.2 the target is [0.1, 0.9] instead of [0, 1]."""
    x = Tensor(np.array([[0.0, np.log(3.0)]]), requires_grad=True)
    loss = cross_entropy(x, [1], label_smoothing=0.2)
    loss.backward()
    assert loss.item() == pytest.approx(-0.1 * np.log(0.25) - 0.9 * np.log(0.75))
    np.testing.assert_allclose(x.grad, [[0.25 - 0.1, 0.75 - 0.9]])


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_gradient(rng, smoothing):
    gradcheck(lambda x: cross_entropy(x, TARGETS, smoothing), rng.standard_normal((4, 5)), rng=rng)


@given(shape=st.tuples(st.integers(1, 9), st.integers(1, 150)), seed=st.integers(0, 999),
       smoothing=st.sampled_from([0.0, 0.1, 1.0]), dtype=st.sampled_from(DTYPES))
def test_kernel_equals_formula(shape, seed, smoothing, dtype):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, shape[1], shape[0])
    targets[rng.random(shape[0]) < 0.2] = IGNORE
    x, y = (Tensor(a, requires_grad=True) for a in [rng.standard_normal(shape).astype(dtype)] * 2)
    kernel = cross_entropy(x, targets, smoothing)
    with formulas():
        formula = cross_entropy(y, targets, smoothing)
    dloss = rng.standard_normal()
    kernel.backward(dloss)
    formula.backward(dloss)
    assert kernel.dtype == formula.dtype == dtype
    assert_close(kernel.data, formula.data, FORMULA_TOLERANCE[dtype])
    assert_close(x.grad, y.grad, FORMULA_TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1.0, 1e4])  # 1e4 overflows a plain exp
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_matches_torch(rng, dtype, scale, smoothing):
    torch = torch_or_skip()
    targets = np.append(TARGETS, rng.integers(0, 200, 8))
    x = (scale * rng.standard_normal((12, 200))).astype(dtype)
    ours = Tensor(x, requires_grad=True)
    loss = cross_entropy(ours, targets, smoothing)
    loss.backward(-1.5)
    theirs = torch.tensor(x, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(theirs, torch.tensor(targets), label_smoothing=smoothing)
    expected.backward(torch.tensor(-1.5, dtype=expected.dtype))
    assert loss.dtype == dtype
    assert_close(loss.data, expected.detach(), TORCH_TOLERANCE[dtype])
    assert_close(ours.grad, theirs.grad, TORCH_TOLERANCE[dtype])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_ignored_rows_do_not_count(rng, smoothing):
    x = Tensor(rng.standard_normal((3, 5)), requires_grad=True)
    y = Tensor(x.data[[0, 2]], requires_grad=True)
    loss = cross_entropy(x, [1, IGNORE, 2], smoothing)
    alone = cross_entropy(y, [1, 2], smoothing)
    loss.backward()
    alone.backward()
    assert loss.item() == alone.item()
    assert (x.grad[1] == 0).all()
    assert (x.grad[[0, 2]] == y.grad).all()


@pytest.mark.parametrize("on", [False, True])
def test_nothing_but_ignored_rows(on):
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    if on:
        with formulas():
            loss = cross_entropy(x, [IGNORE, IGNORE], 0.1)
    else:
        loss = cross_entropy(x, [IGNORE, IGNORE], 0.1)
    loss.backward()
    assert loss.item() == 0
    assert (x.grad == 0).all()


def test_impossible_tokens():
    """A logit of -inf is a token that cannot come: no part of the loss, no gradient."""
    x = Tensor(np.array([[0.0, -np.inf, np.log(3.0)]]), requires_grad=True)
    loss = cross_entropy(x, [2])
    loss.backward()
    assert loss.item() == pytest.approx(-np.log(0.75))
    np.testing.assert_allclose(x.grad, [[0.25, 0, -0.25]])


@pytest.mark.parametrize("V", [3, 130])
@pytest.mark.parametrize("place", [0, -1])
def test_nan_stays_nan(V, place):
    """Also where a vector of numbers is compared at once: a nan must stop a training run, not vanish."""
    x = np.zeros((1, V), np.float32)
    x[0, place] = np.nan
    assert np.isnan(cross_entropy(Tensor(x), [1]).item())


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits_for_any_number_of_threads(rng, dtype):
    data, targets = rng.standard_normal((37, 70)).astype(dtype), rng.integers(0, 70, 37)
    results = []
    for count in (1, 2):
        with threads.limited(count):
            x = Tensor(data, requires_grad=True)
            loss = cross_entropy(x, targets, 0.1)
            loss.backward()
            results.append((loss.data.tobytes(), x.grad.tobytes()))
    assert results[0] == results[1]


def test_rows_in_any_memory_order(rng):
    data = np.asfortranarray(rng.standard_normal((4, 5)))
    x, y = Tensor(data, requires_grad=True), Tensor(np.ascontiguousarray(data), requires_grad=True)
    cross_entropy(x, TARGETS).backward()
    cross_entropy(y, TARGETS).backward()
    assert (x.grad == y.grad).all()


@pytest.mark.parametrize("logits, targets, smoothing, message", [
    (np.zeros((4, 5, 1)), TARGETS, 0, r"cross_entropy: logits must be \(N, V\), got shape \(4, 5, 1\)"),
    (np.zeros((3, 5)), TARGETS, 0, r"targets must be \(N,\) with N = 3 as in logits, got shape \(4,\)"),
    (np.zeros((4, 5)), [2, 0, 5, 4], 0, "targets must be in 0..4 or -100, got 5"),
    (np.zeros((4, 5)), [2, 0, -1, 4], 0, "targets must be in 0..4 or -100, got -1"),
    (np.zeros((4, 5)), np.array([2, 0, 2 ** 64 - 100, 4], np.uint64), 0, "targets must be in 0..4"),
    (np.zeros((4, 5)), [2.0, 0.0, 1.0, 4.0], 0, "targets must be integers, got float64"),
    (np.zeros((4, 5), int), TARGETS, 0, "logits must be float32 or float64, got int64"),
    (np.zeros((4, 5)), TARGETS, 1.5, "label_smoothing must be in 0..1, got 1.5"),
    (np.zeros((4, 5)), TARGETS, np.nan, "label_smoothing must be in 0..1, got nan"),
])
def test_wrong_input_is_named(logits, targets, smoothing, message):
    with pytest.raises(ValueError, match=message):
        cross_entropy(Tensor(logits), targets, smoothing)
