import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import DTYPES
from tests.ops.two_ways import assert_kernel_equals_formula, assert_same_bits
from tests.ops.two_ways import assert_torch_agrees, normal, run
from tinyllm.autograd import Tensor, formulas
from tinyllm.gradcheck import gradcheck
from tinyllm.kernels import threads
from tinyllm.ops.softmax import softmax


def random_mask(rng, shape, share=0.5):
    """Booleans in which every row has a True."""
    mask = rng.random(shape) < share
    mask[..., rng.integers(0, shape[-1])] = True
    return mask


def test_worked_example():
    """softmax([0, log 3]) = [1/4, 3/4]; dout [1 0]: sum dy y = 1/4, so dx = [3/16, -3/16]."""
    y, (dx,) = run(softmax, [np.array([0, np.log(3)])], np.array([1.0, 0]))
    np.testing.assert_allclose(y, [0.25, 0.75])
    np.testing.assert_allclose(dx, [3 / 16, -3 / 16])


@pytest.mark.parametrize("masked", [False, True])
def test_gradient(rng, masked):
    mask = random_mask(rng, (3, 5)) if masked else None
    gradcheck(lambda x: softmax(x, mask=mask), rng.standard_normal((2, 3, 5)), rng=rng)


@given(shape=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 90)), seed=st.integers(0, 999),
       dtype=st.sampled_from(DTYPES), share=st.sampled_from([None, 0.0, 0.5]))
def test_kernel_equals_formula(shape, seed, dtype, share):
    rng = np.random.default_rng(seed)
    mask = None if share is None else random_mask(rng, shape, share)
    assert_kernel_equals_formula(lambda x: softmax(x, mask=mask), *normal(rng, dtype, shape), rng=rng)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1.0, 1e4])  # 1e4 overflows a plain exp
@pytest.mark.parametrize("masked", [False, True])
def test_matches_torch(rng, dtype, scale, masked):
    torch = pytest.importorskip("torch")
    x = dtype(scale) * rng.standard_normal((3, 4, 37)).astype(dtype)
    mask = random_mask(rng, (4, 37)) if masked else np.ones((4, 37), bool)

    def theirs(x):
        return torch.softmax(x.masked_fill(~torch.tensor(mask), -torch.inf), -1)

    assert_torch_agrees(lambda x: softmax(x, mask=mask if masked else None), theirs, x, rng=rng)


def test_rows_add_up_to_one_and_the_hidden_weigh_nothing(rng):
    mask, dout = random_mask(rng, (3, 50)), rng.standard_normal((3, 50))
    y, (dx,) = run(lambda x: softmax(x, mask=mask), normal(rng, np.float64, (3, 50)), dout)
    np.testing.assert_allclose(y.sum(-1), 1)
    assert (y[~mask] == 0).all() and (dx[~mask] == 0).all() and (y[mask] > 0).all()


def test_what_is_hidden_does_not_matter(rng):
    mask = random_mask(rng, (3, 50))
    x, = normal(rng, np.float32, (3, 50))
    expected = softmax(Tensor(x), mask=mask).data
    for hidden in (1e30, np.inf, np.nan):
        y = softmax(Tensor(np.where(mask, x, np.float32(hidden))), mask=mask).data
        np.testing.assert_array_equal(y, expected)


def test_nan_stays_nan_in_its_row():
    x = np.zeros((2, 40), np.float32)
    x[0, 3] = np.nan
    y = softmax(Tensor(x)).data
    assert np.isnan(y[0]).all() and (y[1] == np.float32(1 / 40)).all()


def test_same_bits_for_any_number_of_threads(rng):
    *arrays, dout = normal(rng, np.float32, (50, 70), (50, 70))
    results = []
    for count in (1, threads.count()):
        with threads.limited(count):
            results.append(run(softmax, arrays, dout))
    assert_same_bits(*results)


def test_x_keeps_its_numbers(rng):
    x = Tensor(rng.standard_normal((3, 4)), requires_grad=True)
    before, dout = x.data.copy(), rng.standard_normal((3, 4))
    dout_before = dout.copy()
    softmax(x).backward(dout)
    np.testing.assert_array_equal(x.data, before)
    np.testing.assert_array_equal(dout, dout_before)


BLIND = np.array([[True, False], [False, False]])


@pytest.mark.parametrize("shape, options, message", [
    ((), {}, r"softmax: x must be \(..., V\) with V > 0, got shape \(\)"),
    ((2, 0), {}, r"softmax: x must be \(..., V\) with V > 0, got shape \(2, 0\)"),
    ((2, 2), {"axis": 0}, "softmax: axis must be the last one, -1, got 0"),
    ((2, 2), {"mask": np.ones((2, 2))}, "softmax: mask must be boolean, got float64"),
    ((2, 2), {"mask": np.ones(3, bool)}, r"mask must broadcast to x of shape \(2, 2\), got shape \(3,\)"),
    ((2, 2), {"mask": BLIND}, r"mask must let every row see something, got none in row \(1,\)"),
    ((3, 2, 2), {"mask": BLIND}, r"mask must let every row see something, got none in row \(0, 1\)"),
])
@pytest.mark.parametrize("way", ["kernel", "formula"])
def test_wrong_input_is_named(shape, options, message, way):
    with pytest.raises(ValueError, match=message):
        if way == "formula":
            with formulas():
                softmax(Tensor(np.zeros(shape)), **options)
        softmax(Tensor(np.zeros(shape)), **options)
