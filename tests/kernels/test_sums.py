import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import DTYPES, FORMULA_TOLERANCE, assert_close
from tinyllm.kernels import threads
from tinyllm.kernels.sums import CHUNK, COLUMNS, column_sums, sums_by_id


def test_worked_example():
    """Two rows [1, 2] and [10, 20] add up to [11, 22]."""
    assert column_sums(np.array([[1.0, 2.0], [10.0, 20.0]])).tolist() == [11.0, 22.0]


@pytest.mark.parametrize("dtype", DTYPES)
@given(rows=st.integers(0, 3 * CHUNK), columns=st.integers(1, 40), seed=st.integers(0, 99))
def test_equals_numpy(dtype, rows, columns, seed):
    x = np.random.default_rng(seed).standard_normal((rows, columns)).astype(dtype)
    ours = column_sums(x)
    assert ours.dtype == dtype
    assert_close(ours, x.sum(axis=0), FORMULA_TOLERANCE[dtype])


def test_into_an_array(rng):
    x, out = rng.standard_normal((300, 7)), np.empty(7)
    assert column_sums(x, out) is out
    assert_close(out, x.sum(axis=0), 1e-12)


def test_by_id_worked_example():
    """Row 0 goes to 2 twice, row 1 to 0 alone; nothing goes to 1 and 3."""
    x, ids = np.array([[1.0, 10], [2, 20]]), np.array([[2, 2], [-1, 0]])
    assert sums_by_id(x, ids, 4).tolist() == [[2.0, 20.0], [0, 0], [2.0, 20.0], [0, 0]]


@pytest.mark.parametrize("dtype", DTYPES)
@given(rows=st.integers(0, 30), columns=st.integers(1, COLUMNS + 9), each=st.integers(1, 3), seed=st.integers(0, 99))
def test_by_id_equals_numpy(dtype, rows, columns, each, seed):
    rng, V = np.random.default_rng(seed), 7
    x, ids = rng.standard_normal((rows, columns)).astype(dtype), rng.integers(-1, V, (rows, each))
    expected = np.zeros((V, columns), dtype)
    for k in range(each):
        real = ids[:, k] >= 0
        np.add.at(expected, ids[real, k], x[real])
    ours = sums_by_id(x, ids, V)
    assert ours.dtype == dtype
    assert_close(ours, expected, FORMULA_TOLERANCE[dtype])


def test_the_same_bits_for_any_number_of_threads(rng):
    x = rng.standard_normal((1000, 65)).astype(np.float32)
    with threads.limited(1):
        one = column_sums(x)
    assert one.tobytes() == column_sums(x).tobytes()


def test_by_id_the_same_bits_for_any_number_of_threads(rng):
    x, ids = rng.standard_normal((500, 3 * COLUMNS + 1)).astype(np.float32), rng.integers(0, 9, (500, 1))
    with threads.limited(1):
        one = sums_by_id(x, ids, 9)
    assert one.tobytes() == sums_by_id(x, ids, 9).tobytes()
