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
from tinyllm.kernels.packing import BLOCK
from tinyllm.kernels.jit import compiling
from tinyllm.ops.linear import linear


def test_worked_example():
    """[1 2] [[3 4] [5 6]]^T + [7 8] = [11+7 17+8]; dout [1 10] gives dx = [53 64], dw = [[1 2] [10 20]]."""
    arrays = [np.array(a, float) for a in ([[1, 2]], [[3, 4], [5, 6]], [7, 8])]
    y, (dx, dw, db) = run(linear, arrays, np.array([[1.0, 10.0]]))
    np.testing.assert_array_equal(y, [[18, 25]])
    np.testing.assert_array_equal(dx, [[53, 64]])
    np.testing.assert_array_equal(dw, [[1, 2], [10, 20]])
    np.testing.assert_array_equal(db, [1, 10])


@pytest.mark.parametrize("leading", [(), (4,), (2, 3), (2, 1, 3)])
def test_gradient(rng, leading):
    x, w, b = normal(rng, np.float64, (*leading, 5), (6, 5), 6)
    gradcheck(linear, x, w, b, rng=rng)
    gradcheck(linear, x, w, rng=rng)


@given(sizes=st.tuples(st.integers(1, 140), st.integers(1, 70), st.integers(1, 70)), seed=st.integers(0, 999),
       dtype=st.sampled_from(DTYPES), bias=st.booleans())
def test_kernel_equals_formula(sizes, seed, dtype, bias):
    rng = np.random.default_rng(seed)
    N, I, O = sizes  # noqa: E741
    assert_kernel_equals_formula(linear, *normal(rng, dtype, (N, I), (O, I), *[O] * bias), rng=rng)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_matches_torch(rng, dtype, scale):
    torch = pytest.importorskip("torch")
    x, w, b = normal(rng, dtype, (3, 7, 33), (50, 33), 50)
    assert_torch_agrees(linear, torch.nn.functional.linear, dtype(scale) * x, w, b, rng=rng)
    assert_torch_agrees(linear, torch.nn.functional.linear, dtype(scale) * x, w, rng=rng)


@pytest.mark.skipif(not compiling(), reason="NumPy's product has other bits for other shapes")
def test_a_row_alone_has_the_same_bits(rng):
    x, w, b = normal(rng, np.float32, (37, BLOCK + 88), (65, BLOCK + 88), 65)
    together = run(linear, [x, w, b])[0]
    for n in (0, 20, 36):
        np.testing.assert_array_equal(run(linear, [x[n:n + 1], w, b])[0], together[n:n + 1])


def test_same_bits_for_any_number_of_threads(rng):
    arrays, dout = normal(rng, np.float32, (300, 65), (70, 65), 70), *normal(rng, np.float32, (300, 70))
    results = []
    for count in (1, threads.count()):
        with threads.limited(count):
            results.append(run(linear, arrays, dout))
    assert_same_bits(*results)


def test_only_what_is_required(rng):
    """A frozen weight, and an input that is data: their gradients are not even computed."""
    x, w, b = (Tensor(a, requires_grad=wanted) for a, wanted in
               zip(normal(rng, np.float64, (4, 3), (2, 3), 2), (False, True, False)))
    y = linear(x, w, b)
    dx, dw, db = y._backward(np.ones_like(y.data))
    assert dx is None and db is None and dw.shape == (2, 3)


def test_arrays_of_any_strides(rng):
    x, w = normal(rng, np.float32, (5, 8), (5, 6))
    dout, = normal(rng, np.float32, (6, 8))
    y, gradients = run(lambda x, w: linear(x.T, w.T).T, [x, w], dout)
    expected, expected_gradients = run(lambda x, w: linear(x, w).T,
                                       [np.ascontiguousarray(x.T), np.ascontiguousarray(w.T)], dout)
    np.testing.assert_array_equal(y, expected)
    for ours, theirs in zip(gradients, expected_gradients):
        np.testing.assert_allclose(ours.T, theirs, rtol=1e-5, atol=1e-5)


def test_no_rows():
    y, (dx, dw, db) = run(linear, [np.zeros((0, 3)), np.ones((2, 3)), np.ones(2)], np.zeros((0, 2)))
    assert y.shape == (0, 2) and dx.shape == (0, 3)
    assert (dw == 0).all() and (db == 0).all()


@pytest.mark.parametrize("x, weight, bias, message", [
    ((), (6, 5), (6,), r"linear: x must be \(..., I\), got shape \(\)"),
    ((4, 7), (6, 5), (6,), r"linear: weight must be \(O, I\) with I = 7 as in x, got shape \(6, 5\)"),
    ((4, 5), (6, 5, 1), (6,), r"linear: weight must be \(O, I\), got shape \(6, 5, 1\)"),
    ((4, 5), (6, 5), (5,), r"linear: bias must be \(O,\) with O = 6 as in weight, got shape \(5,\)"),
])
def test_wrong_input_is_named(x, weight, bias, message):
    with pytest.raises(ValueError, match=message):
        linear(*(Tensor(np.zeros(shape)) for shape in (x, weight, bias)))


def test_wrong_dtype_is_named():
    with pytest.raises(ValueError, match="linear: weight must be float32 as x, got float64"):
        linear(Tensor(np.zeros((2, 3), np.float32)), Tensor(np.zeros((4, 3))))
