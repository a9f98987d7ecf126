import numpy as np
import pytest

from tinyllm.autograd import Tensor, formulas
from tinyllm.optim.optimizer import CHUNK
from tinyllm.training.average import WeightAverage, average_formula, average_kernel


def test_move():
    """a = d a + (1 - d) w with d = min(0.5, (1 + t) / (10 + t)), on kernels and on formulas."""
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    average = WeightAverage([x], 0.5)
    x.data = np.array([3.0, 2.0])
    average.move(1)
    np.testing.assert_allclose(average.arrays[0], [2 / 11 * 1 + 9 / 11 * 3, 2.0])
    with formulas():
        average.move(100)
    np.testing.assert_allclose(average.arrays[0], [0.5 * (2 / 11 * 1 + 9 / 11 * 3) + 0.5 * 3, 2.0])


def test_in_place():
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    average = WeightAverage([x], 0.5)
    with average.in_place():
        assert x.data is average.arrays[0]
    assert x.data is not average.arrays[0]


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 1e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("size", [0, 1, 15, CHUNK, CHUNK + 1])
def test_kernel_is_the_formula(rng, size, dtype, rtol):
    average, weights = rng.standard_normal((2, size)).astype(dtype)
    expected = average_formula(average.astype(np.float64), weights.astype(np.float64), 0.9)
    average_kernel(average, weights, 0.9)
    np.testing.assert_allclose(average, expected, rtol=rtol, atol=4 * np.finfo(dtype).eps)
