"""The GRU against its formula, central differences and PyTorch."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ops import recurrent
from tests.oracle import DTYPES
from tinyllm.autograd import Tensor
from tinyllm.kernels.jit import compiling
from tinyllm.ops.gru import gru

CELL = recurrent.GRU
SHAPES = st.tuples(st.integers(1, 19), st.integers(1, 6), st.integers(1, 20), st.integers(1, 40))


def test_worked_example():
    """Weights 0, b_iz = log 3, b_hn = log 3: r = 1/2, z = 3/4, n = tanh(log(3) / 2) = 1/2.

    So h' = 1/4 * 1/2 + 3/4 * h: from 1 to 7/8 to 25/32.
    """
    x, h0 = np.ones((1, 2, 1)), np.ones((1, 1))
    weights = np.zeros((3, 1)), np.zeros((3, 1)), np.array([0, np.log(3), 0]), np.array([0, 0, np.log(3)])
    h = gru(*map(Tensor, (x, h0, *weights)))
    np.testing.assert_allclose(h.data, [[[7 / 8], [25 / 32]]], rtol=1e-15)


def test_reset_acts_after_the_product():
    """r = 1/2 halves W_hn h + b_hn = 2 * 1 + 1 as a whole: n = tanh(3/2); z = 1/2."""
    h0, zeros = np.ones((1, 1)), np.zeros(3)
    h = gru(*map(Tensor, (np.ones((1, 1, 1)), h0, zeros[:, None], np.array([[0.0], [0], [2]]), zeros,
                          np.array([0.0, 0, 1]))))
    np.testing.assert_allclose(h.data, [[[(np.tanh(1.5) + 1) / 2]]], rtol=1e-15)


@given(shape=SHAPES, mask=st.sampled_from(recurrent.MASKS), reverse=st.booleans(), seed=st.integers(0, 999))
@pytest.mark.parametrize("dtype", DTYPES)
def test_kernel_equals_formula(dtype, shape, mask, reverse, seed):
    recurrent.check_kernel_equals_formula(CELL, dtype, shape, mask, reverse, seed)


@pytest.mark.parametrize("options", recurrent.OPTIONS)
def test_gradient(rng, options):
    recurrent.check_gradient(CELL, rng, **options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("shape", [(5, 6, 7, 9), (1, 1, 1, 1), (17, 9, 32, 64)])
def test_matches_torch(rng, dtype, reverse, shape):
    recurrent.check_torch(CELL, rng, dtype, reverse, shape=shape)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reverse", [False, True])
def test_padding_matches_torch(rng, dtype, reverse):
    recurrent.check_torch(CELL, rng, dtype, reverse, lengths=[6, 1, 4, 6, 2])


def test_large_input_matches_torch(rng):
    recurrent.check_torch(CELL, rng, np.float64, scale=1e4)


@pytest.mark.parametrize("reverse", [False, True])
def test_padded_batch_equals_its_rows_alone(rng, reverse):
    recurrent.check_rows_alone(CELL, rng, reverse)


def test_padding_carries_the_state(rng):
    recurrent.check_padding_carries_the_state(CELL, rng)


@pytest.mark.skipif(not compiling(), reason="NumPy's product has other bits for other shapes")
def test_same_bits_however_it_is_run(rng):
    recurrent.check_bits(CELL, rng)


def test_only_wanted_gradients(rng):
    recurrent.check_only_what_is_wanted(CELL, rng)


def test_nothing_is_shared(rng):
    recurrent.check_nothing_is_shared(CELL, rng)


def test_extreme_values(rng):
    recurrent.check_extremes(CELL, rng)


def test_wrong_input_is_named():
    recurrent.check_wrong_input(CELL)
