import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import DTYPES, FORMULA_TOLERANCE, TORCH_TOLERANCE, assert_close, torch_or_skip
from tinyllm.autograd import Tensor, formulas, no_grad
from tinyllm.gradcheck import gradcheck
from tinyllm.kernels import threads
from tinyllm.kernels.jit import compiling
from tinyllm.ops.cross_entropy import IGNORE, cross_entropy
from tinyllm.ops.linear import linear
from tinyllm.ops.linear_cross_entropy import linear_cross_entropy, rows_per_block

TARGETS = np.array([2, 0, IGNORE, 4])


def arrays(rng, N, H, V, dtype=np.float64):
    """x, weight, bias."""
    return [rng.standard_normal(shape).astype(dtype) for shape in ((N, H), (V, H), (V,))]


def tensors(data):
    return [Tensor(a, requires_grad=True) for a in data]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 8 rows, so that small arrays are several of them, the last one not full."""
    monkeypatch.setitem(linear_cross_entropy.__globals__, "rows_per_block", lambda V, itemsize: 8)


def test_worked_example():
    """x = 1 and weights 0, log 3 give logits [0, log 3]: p = [1/4, 3/4], L = -log(3/4), dz = [1/4, -1/4].

    dx = dz W = -log(3)/4,   dW = dz^T x = dz,   db = dz.
    """
    x, weight, bias = tensors([np.ones((1, 1)), np.array([[0.0], [np.log(3.0)]]), np.zeros(2)])
    loss = linear_cross_entropy(x, weight, bias, [1])
    loss.backward()
    assert loss.item() == pytest.approx(-np.log(0.75))
    np.testing.assert_allclose(x.grad, [[-np.log(3.0) / 4]])
    np.testing.assert_allclose(weight.grad, [[0.25], [-0.25]])
    np.testing.assert_allclose(bias.grad, [0.25, -0.25])


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("with_bias", [True, False])
def test_gradient(rng, smoothing, with_bias):
    x, weight, bias = arrays(rng, 4, 3, 5)
    if with_bias:
        gradcheck(lambda *a: linear_cross_entropy(*a, TARGETS, smoothing), x, weight, bias, rng=rng)
    else:
        gradcheck(lambda *a: linear_cross_entropy(*a, None, TARGETS, smoothing), x, weight, rng=rng)


@given(sizes=st.tuples(st.integers(1, 30), st.integers(1, 20), st.integers(1, 150)), seed=st.integers(0, 999),
       smoothing=st.sampled_from([0.0, 0.1]), dtype=st.sampled_from(DTYPES))
def test_kernel_equals_formula(sizes, seed, smoothing, dtype):
    rng = np.random.default_rng(seed)
    N, H, V = sizes
    data = arrays(rng, *sizes, dtype)
    targets = rng.integers(0, V, N)
    targets[rng.random(N) < 0.2] = IGNORE
    ours, theirs, dloss = tensors(data), tensors(data), rng.standard_normal()
    kernel = linear_cross_entropy(*ours, targets, smoothing)
    with formulas():
        formula = linear_cross_entropy(*theirs, targets, smoothing)
    kernel.backward(dloss)
    formula.backward(dloss)
    assert kernel.dtype == formula.dtype == dtype
    assert_close(kernel.data, formula.data, FORMULA_TOLERANCE[dtype])
    for a, b in zip(ours, theirs):
        assert_close(a.grad, b.grad, FORMULA_TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1.0, 1e3])  # 1e3 overflows a plain exp
def test_matches_torch(rng, dtype, scale, small_blocks):
    torch = torch_or_skip()
    data = arrays(rng, 21, 6, 70, dtype)
    data[1] *= dtype(scale)
    targets = rng.integers(0, 70, 21)
    targets[::5] = IGNORE
    ours, theirs = tensors(data), [torch.tensor(a, requires_grad=True) for a in data]
    loss = linear_cross_entropy(*ours, targets, 0.1)
    loss.backward(-1.5)
    logits = torch.nn.functional.linear(*theirs)
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(targets), label_smoothing=0.1)
    expected.backward(torch.tensor(-1.5, dtype=expected.dtype))
    # p moves by as much as a logit's rounding, which grows with the logits
    tol = TORCH_TOLERANCE[dtype] * (scale if dtype == np.float32 else 1)
    assert_close(loss.data, expected.detach(), tol)
    for a, b in zip(ours, theirs):
        assert_close(a.grad, b.grad, tol)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("with_bias", [True, False])
def test_many_blocks_equal_the_two_ops(rng, dtype, with_bias, small_blocks):
    x, weight, bias = arrays(rng, 29, 5, 40, dtype)
    targets = rng.integers(0, 40, 29)
    targets[3:12] = IGNORE
    ours, theirs = tensors([x, weight, bias]), tensors([x, weight, bias])
    if not with_bias:
        ours[2] = theirs[2] = None
    fused = linear_cross_entropy(*ours, targets)
    pair = cross_entropy(linear(*theirs), targets)
    fused.backward()
    pair.backward()
    assert_close(fused.data, pair.data, FORMULA_TOLERANCE[dtype])
    for a, b in zip(ours, theirs):
        if a is not None:
            assert_close(a.grad, b.grad, FORMULA_TOLERANCE[dtype])


def test_one_loss_with_and_without_a_graph(rng, small_blocks):
    data, targets = tensors(arrays(rng, 20, 5, 30, np.float32)), rng.integers(0, 30, 20)
    recorded = linear_cross_entropy(*data, targets)
    with no_grad():
        plain = linear_cross_entropy(*data, targets)
    assert recorded.requires_grad and not plain.requires_grad
    assert recorded.item() == plain.item()


@pytest.mark.parametrize("wanted", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_only_the_gradients_that_are_wanted(rng, wanted):
    data, targets = arrays(rng, 6, 3, 5), rng.integers(0, 5, 6)
    every, some = tensors(data), [Tensor(a, requires_grad=bool(w)) for a, w in zip(data, wanted)]
    linear_cross_entropy(*every, targets).backward()
    linear_cross_entropy(*some, targets).backward()
    for a, b, w in zip(every, some, wanted):
        assert (b.grad == a.grad).all() if w else b.grad is None


def test_ignored_rows_do_not_count(rng):
    x, weight, bias = arrays(rng, 3, 4, 5)
    x[1] = np.nan  # not even this
    ours, alone = tensors([x, weight, bias]), tensors([x[[0, 2]], weight, bias])
    loss, expected = linear_cross_entropy(*ours, [1, IGNORE, 2]), linear_cross_entropy(*alone, [1, 2])
    loss.backward()
    expected.backward()
    assert loss.item() == expected.item()
    assert (ours[0].grad[1] == 0).all()
    assert (ours[0].grad[[0, 2]] == alone[0].grad).all()
    assert (ours[1].grad == alone[1].grad).all()


@pytest.mark.parametrize("N", [0, 2])
def test_nothing_but_ignored_rows(rng, N):
    data = tensors(arrays(rng, N, 3, 4, np.float32))
    loss = linear_cross_entropy(*data, np.full(N, IGNORE))
    loss.backward()
    assert loss.item() == 0
    assert all((a.grad == 0).all() for a in data)


def test_a_graph_may_be_walked_twice(rng):
    """The first walk gives its arrays away, so whoever scales them must not change the second."""
    data, targets = tensors(arrays(rng, 6, 3, 5)), rng.integers(0, 5, 6)
    loss = linear_cross_entropy(*data, targets)
    loss.backward(retain_graph=True)
    first = [a.grad.copy() for a in data]
    for a in data:
        a.grad *= 7
        a.grad = None
    loss.backward(2.0)
    for a, expected in zip(data, first):
        np.testing.assert_allclose(a.grad, 2 * expected, rtol=1e-14)


def test_same_bits_for_any_number_of_threads(rng, small_blocks):
    data, targets = arrays(rng, 300, 33, 70, np.float32), rng.integers(0, 70, 300)
    results = []
    for count in (1, 2):
        with threads.limited(count):
            ours = tensors(data)
            loss = linear_cross_entropy(*ours, targets, 0.1)
            loss.backward()
            results.append([loss.data.tobytes()] + [a.grad.tobytes() for a in ours])
    assert results[0] == results[1]


@pytest.mark.skipif(not compiling(), reason="thirty million logits one by one")
def test_the_logits_are_never_all_in_memory(rng):
    """1500 x 20,000 logits would be 120 MB; the op allocates the gradients, and room for a block once."""
    data, targets = tensors(arrays(rng, 1500, 8, 20_000, np.float32)), rng.integers(0, 20_000, 1500)
    assert rows_per_block(20_000, 4) * 20_000 * 4 <= 1 << 24
    linear_cross_entropy(*data, targets)  # what compiles
    tracemalloc.start()
    linear_cross_entropy(*data, targets).backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6


@pytest.mark.parametrize("V, rows", [(65, 64512), (8000, 512), (50_000, 80), (1_000_000, 64)])
def test_blocks_are_bounded(V, rows):
    assert rows_per_block(V, 4) == rows


@pytest.mark.parametrize("x, weight, bias, targets, smoothing, message", [
    ((4,), (5, 3), (5,), TARGETS, 0, r"linear_cross_entropy: x must be \(N, H\), got shape \(4,\)"),
    ((4, 3), (5, 2), (5,), TARGETS, 0, r"weight must be \(V, H\) with H = 3 as in x, got shape \(5, 2\)"),
    ((4, 3), (5, 3), (6,), TARGETS, 0, r"bias must be \(V,\) with V = 5 as in weight, got shape \(6,\)"),
    ((3, 3), (5, 3), (5,), TARGETS, 0, r"targets must be \(N,\) with N = 3 as in x, got shape \(4,\)"),
    ((4, 3), (5, 3), (5,), [0, 1, 2, 5], 0, "linear_cross_entropy: targets must be in 0..4 or -100, got 5"),
    ((4, 3), (5, 3), (5,), [0.0, 1.0, 2.0, 3.0], 0, "targets must be integers, got float64"),
    ((4, 3), (5, 3), (5,), TARGETS, -0.1, "label_smoothing must be in 0..1, got -0.1"),
])
def test_wrong_input_is_named(x, weight, bias, targets, smoothing, message):
    with pytest.raises(ValueError, match=message):
        linear_cross_entropy(*(Tensor(np.zeros(s)) for s in (x, weight, bias)), targets, smoothing)


def test_mixed_dtypes_are_named():
    x, weight = Tensor(np.zeros((4, 3), np.float32)), Tensor(np.zeros((5, 3)))
    with pytest.raises(ValueError, match="weight must be float32 as x, got float64"):
        linear_cross_entropy(x, weight, None, TARGETS)
