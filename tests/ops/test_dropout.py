import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import DTYPES
from tests.ops.two_ways import assert_kernel_equals_formula, assert_torch_agrees, normal, run
from tinyllm.autograd import Tensor
from tinyllm.gradcheck import gradcheck
from tinyllm.ops.dropout import dropout


def seeded(p, seed=0):
    """Dropout whose mask is the same at every call."""
    return lambda x: dropout(x, p, np.random.default_rng(seed))


def test_worked_example():
    """With p = 3/4 what stays is divided by 1/4, and so is its gradient; what is dropped receives none."""
    x = np.arange(1.0, 41.0)
    y, (dx,) = run(seeded(0.75), [x], np.full(40, 10.0))
    kept = y != 0
    assert 0 < kept.sum() < 40
    np.testing.assert_array_equal(y, np.where(kept, 4 * x, 0))
    np.testing.assert_array_equal(dx, np.where(kept, 40, 0))


@pytest.mark.parametrize("p", [0.1, 0.9])
def test_gradient(rng, p):
    gradcheck(seeded(p), rng.standard_normal((4, 5)), rng=rng)


@given(shape=st.lists(st.integers(1, 9), max_size=3), p=st.floats(0, 0.99), seed=st.integers(0, 999),
       dtype=st.sampled_from(DTYPES))
def test_kernel_equals_formula(shape, p, seed, dtype):
    rng = np.random.default_rng(seed)
    assert_kernel_equals_formula(seeded(p, seed), *normal(rng, dtype, shape), rng=rng)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_matches_torch_under_the_same_mask(rng, dtype, scale):
    """PyTorch draws another mask, so it gets ours: the zeros of our output."""
    torch = pytest.importorskip("torch")
    x = dtype(scale) * normal(rng, dtype, (6, 50))[0]
    kept = torch.tensor(run(seeded(0.3), [x])[0] != 0)
    assert_torch_agrees(seeded(0.3), lambda x: x * kept / 0.7, x, rng=rng)


def test_the_share_and_the_mean(rng):
    y = dropout(Tensor(np.ones(100_000)), 0.3, rng).data
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert y.mean() == pytest.approx(1, abs=0.02)


def test_without_a_generator_or_probability_x_itself(rng):
    x = Tensor(np.ones((2, 3)))
    state = rng.bit_generator.state
    assert dropout(x, 0.5, None) is x and dropout(x, 0.0, rng) is x
    assert rng.bit_generator.state == state


@pytest.mark.parametrize("p", [-0.1, 1, 1.5, np.nan])
def test_wrong_probability_is_named(rng, p):
    with pytest.raises(ValueError, match=r"dropout: p must be in \[0, 1\), got"):
        dropout(Tensor(np.ones(3)), p, rng)


def test_wrong_dtype_is_named(rng):
    with pytest.raises(ValueError, match="dropout: x must be float32 or float64, got int64"):
        dropout(Tensor(np.ones(3, np.int64)), 0.5, rng)
