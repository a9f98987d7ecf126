"""The errors that the docstring of elementary.py states, over all of float32 that matters."""
import numpy as np
import pytest

from tests.oracle import DTYPES
from tests.process import run_python
from tinyllm.kernels.elementary import exp, sigmoid, tanh
from tinyllm.kernels.jit import compiling, jit


@jit
def exp_all(x, y):
    for i in range(x.size):
        y[i] = exp(x[i])


@jit
def tanh_all(x, y):
    for i in range(x.size):
        y[i] = tanh(x[i])


@jit
def sigmoid_all(x, y):
    for i in range(x.size):
        y[i] = sigmoid(x[i])


KERNELS = {"exp": exp_all, "tanh": tanh_all, "sigmoid": sigmoid_all}
EXPECTED = {"exp": np.exp, "tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}


def values(name, x):
    y = np.empty_like(x)
    KERNELS[name](x, y)
    return y


def grid(low, high, dtype=np.float32):
    """Evenly spaced, and closer and closer to 0 from both sides."""
    near = np.geomspace(1e-30, 1, 2000)
    return np.concatenate([np.linspace(low, high, 400_001), near, -near, [0]]).astype(dtype)


def test_worked_example():
    """e^(log 2) = 2, tanh(log 3) = 8/10, sigmoid(log 3) = 3/4."""
    for dtype in DTYPES:
        assert values("exp", np.log(np.array([2], dtype)))[0] == pytest.approx(2, rel=1e-6)
        assert values("tanh", np.log(np.array([3], dtype)))[0] == pytest.approx(0.8, rel=1e-6)
        assert values("sigmoid", np.log(np.array([3], dtype)))[0] == pytest.approx(0.75, rel=1e-6)


def test_exp_is_within_its_relative_error():
    x = grid(-87.3, 88.36)
    expected = np.exp(x.astype(np.float64))
    assert (np.abs(values("exp", x) - expected) / expected).max() <= 1.2e-7


@pytest.mark.parametrize("name, error", [("tanh", 3.1e-7), ("sigmoid", 2.2e-7)])
def test_tanh_and_sigmoid_are_within_their_absolute_error(name, error):
    x = grid(-40, 40)
    y = values(name, x)
    assert np.abs(y - EXPECTED[name](x.astype(np.float64))).max() <= error


@pytest.mark.parametrize("name", KERNELS)
def test_float64_is_the_library_function(name):
    x = grid(-30, 30, np.float64)
    np.testing.assert_allclose(values(name, x), EXPECTED[name](x), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_ends(dtype):
    x = np.array([-np.inf, np.inf, np.nan, 0, -1e30, 1e30], dtype)
    with np.errstate(over="ignore"):  # where nothing is compiled, NumPy says that e^1e30 is too large
        results = {name: values(name, x) for name in KERNELS}
    np.testing.assert_array_equal(results["exp"], [0, np.inf, np.nan, 1, 0, np.inf])
    np.testing.assert_allclose(results["tanh"], [-1, 1, np.nan, 0, -1, 1], atol=3.1e-7)
    np.testing.assert_allclose(results["sigmoid"], [0, 1, np.nan, 0.5, 0, 1], atol=2.2e-7)


@pytest.mark.parametrize("name", KERNELS)
def test_nan_stays_nan_at_every_place_of_a_vector(name):
    for place in range(40):
        x = np.ones(40, np.float32)
        x[place] = np.nan
        assert np.flatnonzero(np.isnan(values(name, x))).tolist() == [place]


@pytest.mark.parametrize("name", KERNELS)
def test_a_number_alone_has_the_bits_that_it_has_among_others(name, rng):
    x = rng.uniform(-20, 20, 67).astype(np.float32)
    among = values(name, x)
    alone = np.concatenate([values(name, x[i:i + 1]) for i in range(x.size)])
    assert among.tobytes() == alone.tobytes()


@pytest.mark.skipif(not compiling(), reason="this is that process")
def test_without_compilation_in_a_process():
    """The plain functions are NumPy's; a few numbers show that they run, one at a time."""
    chosen = "ends or worked or nan_stays"
    run_python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, __file__, NUMBA_DISABLE_JIT="1")
