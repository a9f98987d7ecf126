import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ops.two_ways import assert_kernel_equals_formula, assert_same_bits, assert_torch_agrees, normal, run
from tests.oracle import DTYPES
from tinyllm.autograd import Tensor
from tinyllm.gradcheck import gradcheck
from tinyllm.kernels import threads
from tinyllm.ops.copy_mixture import copy_mixture


def inputs(rng, dtype, B, T, S, V):
    """logits, weights that add up to 1, gate, and a source that holds some id twice where it can."""
    logits, weights, gate = normal(rng, dtype, (B, T, V), (B, T, S), (B, T))
    weights = np.exp(weights)
    return (logits, weights / weights.sum(axis=-1, keepdims=True), gate), rng.integers(0, V, (B, S))


def test_worked_example():
    """g = 1/2, softmax [1/4 3/4], the one position of the source holds id 0: p = [1/8 + 1/2, 3/8].

    dy [1 0]: e[0] = (1/8) / (5/8) = 1/5, so dz = 1/5 ([1 0] - [1/4 3/4]), du = 1/5 - 1/2, da = (1/2) / (5/8).
    """
    arrays = np.log([[[1.0, 3.0]]]), np.ones((1, 1, 1)), np.zeros((1, 1))
    y, (dz, da, du) = run(lambda *a: copy_mixture(*a, np.array([[0]])), arrays, np.array([[[1.0, 0.0]]]))
    np.testing.assert_allclose(np.exp(y), [[[5 / 8, 3 / 8]]])
    np.testing.assert_allclose(dz, [[[3 / 20, -3 / 20]]])
    np.testing.assert_allclose(da, [[[4 / 5]]])
    np.testing.assert_allclose(du, [[-3 / 10]])


@pytest.mark.parametrize("source", [[[1, 1, 2, 0], [3, 4, 3, 3]], [[0, 0, 0, 0], [4, 3, 2, 1]]])
def test_gradient(rng, source):
    arrays, _ = inputs(rng, np.float64, 2, 3, 4, 5)
    gradcheck(lambda *a: copy_mixture(*a, np.array(source)), *arrays, rng=rng)


@given(sizes=st.tuples(*[st.integers(1, 4)] * 2, st.integers(1, 20), st.integers(1, 70)), seed=st.integers(0, 999),
       dtype=st.sampled_from(DTYPES))
def test_kernel_equals_formula(sizes, seed, dtype):
    rng = np.random.default_rng(seed)
    arrays, source = inputs(rng, dtype, *sizes)
    assert_kernel_equals_formula(lambda *a: copy_mixture(*a, source), *arrays, rng=rng)


@pytest.mark.parametrize("dtype", DTYPES)
def test_matches_torch(rng, dtype):
    torch = pytest.importorskip("torch")
    arrays, source = inputs(rng, dtype, 3, 5, 7, 20)

    def theirs(z, a, u):
        g = torch.sigmoid(u)[..., None]
        copied = torch.zeros_like(z).scatter_add(2, torch.from_numpy(source)[:, None].expand(a.shape), a)
        return (g * torch.softmax(z, -1) + (1 - g) * copied).log()

    assert_torch_agrees(lambda *a: copy_mixture(*a, source), theirs, *arrays, rng=rng)


def test_is_a_distribution(rng):
    arrays, source = inputs(rng, np.float32, 4, 6, 9, 30)
    np.testing.assert_allclose(np.exp(copy_mixture(*map(Tensor, arrays), source).data).sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_where_all_is_generated_or_all_is_copied(dtype):
    """The gate is as far as floats go; what a float cannot hold as a probability still has a logarithm."""
    z, a = np.array([[[0.0, -400.0, -300.0]]], dtype), np.array([[[1.0, 0.0]]], dtype)
    source = np.array([[2, 1]])
    for u, expected in [(500.0, [0, -400, -300]), (-500.0, [-500, -900, 0])]:
        y, gradients = run(lambda *arrays: copy_mixture(*arrays, source), (z, a, np.array([[u]], dtype)),
                           np.array([[[0.0, 0.0, 1.0]]], dtype))
        np.testing.assert_allclose(y, [[expected]], rtol=1e-5, atol=1e-5)
        assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("u", [-80.0, -95.0, -200.0])
def test_where_nearly_nothing_is_generated_and_the_target_is_not_copied(u, dtype):
    """log p = u + log softmax(z): the gradient of a softmax, however small the share."""
    arrays = np.zeros((1, 1, 2), dtype), np.ones((1, 1, 1), dtype), np.full((1, 1), u, dtype)
    y, (dz, da, du) = run(lambda *a: copy_mixture(*a, np.array([[0]])), arrays, np.array([[[0.0, 1.0]]], dtype))
    np.testing.assert_allclose(y[0, 0, 1], u - np.log(2), rtol=1e-6)
    np.testing.assert_allclose(dz, [[[-0.5, 0.5]]], rtol=1e-5)
    np.testing.assert_allclose(du, [[1]], rtol=1e-5)
    np.testing.assert_array_equal(da, [[[0]]])


def test_nan_is_not_lost_and_stays_in_its_row(rng):
    (z, a, u), source = inputs(rng, np.float32, 1, 3, 4, 5)
    expected = copy_mixture(*map(Tensor, (z, a, u)), source).data
    a[0, 1, 2] = np.nan
    y = copy_mixture(*map(Tensor, (z, a, u)), source).data
    assert np.isnan(y[0, 1, source[0, 2]])
    np.testing.assert_array_equal(y[0, ::2], expected[0, ::2])


def test_the_source_may_change_before_the_backward(rng):
    (z, a, u), source = inputs(rng, np.float64, 2, 3, 4, 5)
    given_source, results = source.copy(), []
    for changes in (False, True):
        parents = [Tensor(x, requires_grad=True) for x in (z, a, u)]
        y = copy_mixture(*parents, given_source)
        if changes:
            given_source[...] = 0
        y.backward(np.ones_like(z))
        results.append([p.grad for p in parents])
    for one, other in zip(*results):
        np.testing.assert_array_equal(one, other)


def test_same_bits_for_any_number_of_threads_and_for_a_row_alone(rng):
    arrays, source = inputs(rng, np.float32, 7, 3, 11, 40)
    dout, results = rng.standard_normal((7, 3, 40)).astype(np.float32), []
    for count in (1, threads.count()):
        with threads.limited(count):
            results.append(run(lambda *a: copy_mixture(*a, source), arrays, dout))
    assert_same_bits(*results)
    y, gradients = run(lambda *a: copy_mixture(*a, source[4:5]), [x[4:5, 1:2] for x in arrays], dout[4:5, 1:2])
    np.testing.assert_array_equal(y, results[0][0][4:5, 1:2])
    for alone, among in zip(gradients, results[0][1]):
        np.testing.assert_array_equal(alone, among[4:5, 1:2])


@pytest.mark.parametrize("change, message", [
    ({"weights": (2, 3, 5)}, "source must be .B, S. with S = 5"), ({"gate": (2, 4)}, "gate must be .B, T. with T = 3"),
    ({"logits": (2, 3)}, "logits must be .B, T, V."), ({"logits": (2, 3, 0)}, "B, T, V and S must be > 0"),
    ({"source": np.array([[0, 5, 1, 1]] * 2)}, "source must be in 0..4, got 5"),
    ({"source": np.array([[0, -1, 1, 1]] * 2)}, "source must be in 0..4, got -1"),
    ({"source": np.zeros((2, 4))}, "source must be integers, got float64")])
def test_errors(change, message):
    given_shapes = {"logits": (2, 3, 5), "weights": (2, 3, 4), "gate": (2, 3), **change}
    source = given_shapes.pop("source", np.zeros((2, 4), int))
    with pytest.raises(ValueError, match=f"copy_mixture: .*{message}"):
        copy_mixture(*(Tensor(np.zeros(shape)) for shape in given_shapes.values()), source)
