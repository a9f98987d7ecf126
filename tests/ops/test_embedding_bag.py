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
from tinyllm.ops.embedding_bag import PAD_FEATURE, embedding_bag

IDS = np.array([[[2, 0, 2], [-1, 3, -1]], [[-1, -1, -1], [0, 3, -1]]])


def test_worked_example():
    """Rows 1 and 1, and row 0: row 1 is taken twice and receives its token's gradient twice; row 2 none."""
    y, (dw,) = run(lambda w: embedding_bag([[1, 1], [-1, 0]], w), [np.array([[1.0, 2], [3, 4], [5, 6]])],
                   np.array([[1.0, 10], [2, 20]]))
    np.testing.assert_array_equal(y, [[6, 8], [1, 2]])
    np.testing.assert_array_equal(dw, [[2, 20], [2, 20], [0, 0]])


def test_gradient(rng):
    gradcheck(lambda w: embedding_bag(IDS, w), rng.standard_normal((5, 3)), rng=rng)


@given(shape=st.lists(st.integers(0, 6), min_size=1, max_size=3), seed=st.integers(0, 999),
       sizes=st.tuples(st.integers(1, 9), st.integers(1, 140)), dtype=st.sampled_from(DTYPES))
def test_kernel_equals_formula(shape, sizes, seed, dtype):
    rng = np.random.default_rng(seed)
    ids = rng.integers(PAD_FEATURE, sizes[0], shape)
    assert_kernel_equals_formula(lambda w: embedding_bag(ids, w), *normal(rng, dtype, sizes), rng=rng)


@pytest.mark.parametrize("dtype", DTYPES)
def test_matches_torch(rng, dtype):
    torch = pytest.importorskip("torch")

    def theirs(w):
        with_nothing = torch.cat([w, w.new_zeros(1, 33)])  # row 5, for -1
        return torch.nn.functional.embedding(torch.tensor(IDS % 6), with_nothing).sum(-2)

    assert_torch_agrees(lambda w: embedding_bag(IDS, w), theirs, *normal(rng, dtype, (5, 33)), rng=rng)


def test_empty_places_add_nothing(rng):
    w, = normal(rng, np.float32, (5, 7))
    y = embedding_bag(IDS, Tensor(w)).data
    assert (y[1, 0] == 0).all()
    np.testing.assert_array_equal(y[0, 1], w[3])
    np.testing.assert_array_equal(embedding_bag(np.pad(IDS, ((0, 0), (0, 0), (1, 2)), constant_values=-1),
                                                Tensor(w)).data, y)


def test_one_id_each_is_an_embedding(rng):
    ids, arrays, (dout,) = rng.integers(0, 5, (3, 4)), normal(rng, np.float32, (5, 7)), normal(
        rng, np.float32, (3, 4, 7))
    assert_same_bits(run(lambda w: embedding_bag(ids[..., None], w), arrays, dout),
                     run(lambda w: embedding(ids, w), arrays, dout))


def test_rows_that_no_id_names_receive_nothing(rng):
    dout = rng.standard_normal((2, 2, 3))
    _, (dw,) = run(lambda w: embedding_bag(IDS, w), normal(rng, np.float64, (5, 3)), dout)
    assert (dw[[1, 4]] == 0).all() and (dw[[0, 2, 3]] != 0).all()


def test_ids_changed_after_the_forward_do_not_matter(rng):
    ids, w = IDS.copy(), Tensor(rng.standard_normal((5, 3)), requires_grad=True)
    y = embedding_bag(ids, w)
    ids[:] = 4
    y.backward(np.ones_like(y.data))
    np.testing.assert_array_equal(w.grad[:, 0], [2, 0, 2, 2, 0])


def test_same_bits_for_any_number_of_threads(rng):
    ids, arrays = rng.integers(-1, 7, (100, 5)), normal(rng, np.float32, (7, 200))
    dout, = normal(rng, np.float32, (100, 200))
    results = []
    for count in (1, threads.count()):
        with threads.limited(count):
            results.append(run(lambda w: embedding_bag(ids, w), arrays, dout))
    assert_same_bits(*results)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.uint64])
def test_every_kind_of_integer(rng, dtype):
    w, = normal(rng, np.float32, (5, 3))
    ids = np.array([[3, 1], [0, 0]], dtype)
    np.testing.assert_array_equal(embedding_bag(ids, Tensor(w)).data, [w[3] + w[1], w[0] + w[0]])


@pytest.mark.parametrize("ids, weight, message", [
    ([0, 5], (5, 3), "embedding_bag: ids must be in 0..4 or -1, got 5"),
    ([0, -2], (5, 3), "embedding_bag: ids must be in 0..4 or -1, got -2"),
    ([0.0, 1.0], (5, 3), "embedding_bag: ids must be integers, got float64"),
    ([True], (5, 3), "embedding_bag: ids must be integers, got bool"),
    (0, (5, 3), r"embedding_bag: ids must be \(..., K\), got shape \(\)"),
    ([0], (5, 3, 1), r"embedding_bag: weight must be \(F, E\), got shape \(5, 3, 1\)"),
])
def test_wrong_input_is_named(ids, weight, message):
    with pytest.raises(ValueError, match=message):
        embedding_bag(ids, Tensor(np.zeros(weight)))
