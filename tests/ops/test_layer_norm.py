import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import DTYPES
from tests.ops.two_ways import assert_kernel_equals_formula, assert_same_bits
from tests.ops.two_ways import assert_torch_agrees, normal, run
from tinyllm.autograd import Tensor
from tinyllm.gradcheck import gradcheck
from tinyllm.kernels import threads
from tinyllm.ops.layer_norm import CHUNK, layer_norm


def test_worked_example():
    """[1 3]: mean 2, variance 1, so n = [-1 1] (eps 0 but for rounding); times [2 3] plus [10 20] = [8 23].

    dout [1 1] gives dn = [2 3]: dx = dn - 5/2 - n (3 - 2)/2 = 0, as a row of two can only be n = [-1 1].
    """
    arrays = [np.array(a) for a in ([[1.0, 3.0]], [2.0, 3.0], [10.0, 20.0])]
    y, (dx, dgain, dbias) = run(lambda *a: layer_norm(*a, eps=1e-15), arrays, np.ones((1, 2)))
    np.testing.assert_allclose(y, [[8, 23]])
    np.testing.assert_allclose(dx, [[0, 0]], atol=1e-12)
    np.testing.assert_allclose(dgain, [-1, 1])
    np.testing.assert_allclose(dbias, [1, 1])


@pytest.mark.parametrize("shape", [(5,), (4, 5), (2, 3, 4)])
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_gradient(rng, shape, eps):
    x, gain, bias = normal(rng, np.float64, shape, shape[-1], shape[-1])
    gradcheck(lambda *a: layer_norm(*a, eps=eps), x, gain, bias, rng=rng)
    gradcheck(lambda *a: layer_norm(*a, eps=eps), x, gain, rng=rng)


@given(shape=st.tuples(st.integers(1, 3 * CHUNK), st.integers(1, 80)), seed=st.integers(0, 999),
       dtype=st.sampled_from(DTYPES), bias=st.booleans())
def test_kernel_equals_formula(shape, seed, dtype, bias):
    rng = np.random.default_rng(seed)
    x, gain, b = normal(rng, dtype, shape, shape[1], shape[1])
    x[0] = 1  # a constant row
    eps = 1e-2  # a row of two may be nearly constant: 1/sqrt(eps) then magnifies the rounding of either way
    assert_kernel_equals_formula(lambda *a: layer_norm(*a, eps=eps), x, gain, *[b] * bias, rng=rng)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shift, scale", [(0, 1.0), (3, 1e4), (100, 1.0)])
def test_matches_torch(rng, dtype, shift, scale):
    torch = pytest.importorskip("torch")
    x, gain, bias = normal(rng, dtype, (3, 70, 33), 33, 33)
    x = dtype(scale) * x + dtype(shift)
    tol = 1e-4 if dtype == np.float32 and shift == 100 else None  # x - mean loses two digits there, in both

    def theirs(*a):
        return torch.nn.functional.layer_norm(a[0], (33,), *a[1:])

    assert_torch_agrees(layer_norm, theirs, x, gain, bias, rng=rng, tol=tol)
    assert_torch_agrees(layer_norm, theirs, x, gain, rng=rng, tol=tol)


def test_rows_are_normalized(rng):
    x = 5 + 3 * rng.standard_normal((6, 40))
    y = layer_norm(Tensor(x), Tensor(np.ones(40))).data
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(-1), 1, rtol=1e-5)


def test_a_constant_row_gives_the_bias(rng):
    gain, bias = normal(rng, np.float32, 8, 8)
    y = layer_norm(Tensor(np.full((2, 8), 7, np.float32)), Tensor(gain), Tensor(bias))
    np.testing.assert_array_equal(y.data, [bias, bias])


def test_same_bits_for_any_number_of_threads_and_for_a_row_alone(rng):
    *arrays, dout = normal(rng, np.float32, (5 * CHUNK + 3, 70), 70, 70, (5 * CHUNK + 3, 70))
    results = []
    for count in (1, threads.count()):
        with threads.limited(count):
            results.append(run(layer_norm, arrays, dout))
    assert_same_bits(*results)
    x, gain, bias = arrays
    np.testing.assert_array_equal(run(layer_norm, [x[9:10], gain, bias])[0], results[0][0][9:10])


@pytest.mark.parametrize("x, gain, bias, eps, message", [
    ((), (5,), (5,), 1e-5, r"layer_norm: x must be \(..., H\) with H > 0, got shape \(\)"),
    ((4, 0), (0,), (0,), 1e-5, r"layer_norm: x must be \(..., H\) with H > 0, got shape \(4, 0\)"),
    ((4, 5), (6,), (5,), 1e-5, r"layer_norm: gain must be \(H,\) with H = 5 as in x, got shape \(6,\)"),
    ((4, 5), (5,), (5, 1), 1e-5, r"layer_norm: bias must be \(H,\), got shape \(5, 1\)"),
    ((4, 5), (5,), (5,), 0.0, "layer_norm: eps must be > 0, got 0.0"),
])
def test_wrong_input_is_named(x, gain, bias, eps, message):
    with pytest.raises(ValueError, match=message):
        layer_norm(*(Tensor(np.zeros(shape)) for shape in (x, gain, bias)), eps=eps)


def test_wrong_dtype_is_named():
    with pytest.raises(ValueError, match="layer_norm: gain must be float32 as x, got float64"):
        layer_norm(Tensor(np.zeros((2, 3), np.float32)), Tensor(np.zeros(3)))
