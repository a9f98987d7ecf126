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
from tinyllm.ops.embedding import embedding

IDS = np.array([[2, 0, 2], [3, 2, 0]])


def test_worked_example():
    """Row 1 is taken twice, so it receives both gradients; row 0 once; row 2 never."""
    y, (dw,) = run(lambda w: embedding([1, 0, 1], w), [np.array([[1.0, 2], [3, 4], [5, 6]])],
                   np.array([[1.0, 10], [2, 20], [4, 40]]))
    np.testing.assert_array_equal(y, [[3, 4], [1, 2], [3, 4]])
    np.testing.assert_array_equal(dw, [[2, 20], [5, 50], [0, 0]])


def test_gradient(rng):
    gradcheck(lambda w: embedding(IDS, w), rng.standard_normal((5, 3)), rng=rng)


@given(shape=st.lists(st.integers(1, 6), max_size=3), sizes=st.tuples(st.integers(1, 9), st.integers(1, 140)),
       seed=st.integers(0, 999), dtype=st.sampled_from(DTYPES))
def test_kernel_equals_formula(shape, sizes, seed, dtype):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, sizes[0], shape)
    assert_kernel_equals_formula(lambda w: embedding(ids, w), *normal(rng, dtype, sizes), rng=rng)


@pytest.mark.parametrize("dtype", DTYPES)
def test_matches_torch(rng, dtype):
    torch = pytest.importorskip("torch")
    assert_torch_agrees(lambda w: embedding(IDS, w),
                        lambda w: torch.nn.functional.embedding(torch.tensor(IDS), w),
                        *normal(rng, dtype, (5, 33)), rng=rng)


def test_rows_that_no_id_names_receive_nothing(rng):
    dout = rng.standard_normal((2, 3, 3))
    _, (dw,) = run(lambda w: embedding(IDS, w), normal(rng, np.float64, (5, 3)), dout)
    assert (dw[[1, 4]] == 0).all() and (dw[[0, 2, 3]] != 0).all()


def test_ids_changed_after_the_forward_do_not_matter(rng):
    ids, w = IDS.copy(), Tensor(rng.standard_normal((5, 3)), requires_grad=True)
    y = embedding(ids, w)
    ids[:] = 4
    y.backward(np.ones_like(y.data))
    np.testing.assert_array_equal(w.grad[:, 0], [2, 0, 3, 1, 0])


def test_same_bits_for_any_number_of_threads(rng):
    ids, arrays = rng.integers(0, 7, 500), normal(rng, np.float32, (7, 200))
    dout, = normal(rng, np.float32, (500, 200))
    results = []
    for count in (1, threads.count()):
        with threads.limited(count):
            results.append(run(lambda w: embedding(ids, w), arrays, dout))
    assert_same_bits(*results)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.uint64])
def test_every_kind_of_integer(rng, dtype):
    w, = normal(rng, np.float32, (5, 3))
    np.testing.assert_array_equal(embedding(IDS.astype(dtype), Tensor(w)).data, w[IDS])


@pytest.mark.parametrize("ids, weight, message", [
    ([0, 5], (5, 3), "embedding: ids must be in 0..4, got 5"),
    ([0, -1], (5, 3), "embedding: ids must be in 0..4, got -1"),
    ([0.0, 1.0], (5, 3), "embedding: ids must be integers, got float64"),
    ([True], (5, 3), "embedding: ids must be integers, got bool"),
    ([0], (5, 3, 1), r"embedding: weight must be \(V, E\), got shape \(5, 3, 1\)"),
    ([0], (0, 3), "embedding: ids must be in 0..-1, got 0"),
])
def test_wrong_input_is_named(ids, weight, message):
    with pytest.raises(ValueError, match=message):
        embedding(ids, Tensor(np.zeros(weight)))
