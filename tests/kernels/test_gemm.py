from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import DTYPES, assert_close
from tests.process import run_python
from tinyllm.kernels import gemm, packing, threads
from tinyllm.kernels.jit import compiling, jit
from tinyllm.kernels.tile import LANES, TILES, VECTORS, WIDTH

TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}  # of the largest entry: the order of sums
LAYOUTS = {  # an array of any layout with these numbers
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "columns of a wider matrix": lambda a: np.pad(a, ((0, 0), (2, 3)))[:, 2:-3],
    "every second row and column": lambda a: np.repeat(np.repeat(a, 2, 0), 2, 1)[::2, ::2],
    "every second, transposed": lambda a: np.repeat(np.repeat(a.T, 2, 0), 3, 1)[::2, ::3].T,
    "upside down": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "backwards": lambda a: np.ascontiguousarray(a[:, ::-1])[:, ::-1],
}
EDGES = [WIDTH - 1, WIDTH, WIDTH + 1, gemm.BLOCK_ROWS, packing.BLOCK - 1, packing.BLOCK, 2 * packing.BLOCK + 5]
SIZES = st.one_of(st.integers(1, 9), st.integers(1, 3 * WIDTH), st.sampled_from(EDGES))


def matrices(M, K, N, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in ((M, K), (K, N), (M, N))]


@jit
def multiply_in_a_kernel(a, b, panels, out, adds):
    """What a time loop does: pack once, then multiply, all on one thread."""
    packing.pack(b, panels)
    gemm.multiply(a, panels, out, adds)


def test_worked_example():
    a, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0]])
    out = np.ones((2, 2))
    assert gemm.product(a, b, out) is out
    np.testing.assert_array_equal(out, [[19, 22], [43, 50]])
    np.testing.assert_array_equal(gemm.product(a, b, out, plus=out), [[38, 44], [86, 100]])
    np.testing.assert_array_equal(gemm.product(a, b, out, plus=np.array([1.0, 2.0])), [[20, 24], [44, 52]])


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=60)
@given(M=SIZES, K=SIZES, N=SIZES, layouts=st.tuples(*[st.sampled_from(list(LAYOUTS))] * 2),
       plus=st.sampled_from(["nothing", "itself", "a row", "another"]), seed=st.integers(0, 99))
def test_product_equals_numpy(dtype, M, K, N, layouts, plus, seed):
    a, b, c = matrices(M, K, N, dtype, seed)
    wide = np.full((M, N + 4), np.nan, dtype)  # what stands beside C must neither be read nor written
    out = wide[:, 2:-2]
    out[...] = c if plus == "itself" else np.nan
    added = {"nothing": None, "itself": out, "a row": c[0], "another": c}[plus]
    expected = a.astype(np.float64) @ b.astype(np.float64) + (0 if added is None else added.copy())
    gemm.product(LAYOUTS[layouts[0]](a), LAYOUTS[layouts[1]](b), out, added)
    assert_close(out, expected, TOLERANCE[dtype])
    assert np.isnan(wide[:, :2]).all() and np.isnan(wide[:, -2:]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@given(M=st.integers(1, 20), K=SIZES, N=SIZES, adds=st.booleans(), seed=st.integers(0, 99))
def test_multiply_in_a_kernel_equals_product(dtype, M, K, N, adds, seed):
    """To the last bit where compiled: one chain of sums for each element, whoever computes it."""
    a, b, c = matrices(M, K, N, dtype, seed)
    panels = np.empty(packing.panels_shape(K, N), dtype)
    inside, outside = c.copy(), c.copy()
    multiply_in_a_kernel(a, b, panels, inside, int(adds))
    gemm.product_packed(a, packing.packed(b, "test"), outside, outside if adds else None)
    np.testing.assert_array_equal(inside, outside)


@jit
def multiply_row_in_a_kernel(a, b, out):
    gemm.multiply_row(a, b, out)


@pytest.mark.parametrize("dtype", DTYPES)
@given(K=SIZES, N=SIZES, beside=st.integers(0, 2), seed=st.integers(0, 99))
def test_multiply_row_equals_product(dtype, K, N, beside, seed):
    """To the last bit where compiled; what b has beyond N is nan, and beside out nothing changes."""
    a, b, c = matrices(1, K, N, dtype, seed)
    padded = np.full((K, (-(-N // LANES) + beside) * LANES), np.nan, dtype)
    padded[:, :N] = b
    wide, outside = np.full((1, N + 1), 7, dtype), c.copy()
    multiply_row_in_a_kernel(a, padded, wide[:, :N])
    gemm.product(a, b, outside)
    assert_close(wide[:, :N], outside, 0 if compiling() else TOLERANCE[dtype])
    assert wide[0, N] == 7


@jit
def multiply_by_int8(a, b, panels, scales, out, adds):
    packing.pack(b, panels)
    gemm.multiply_scaled(a, panels, scales, out, adds)


def scaled_product(a, q, scales, out, adds):
    """a @ (q * scales), added to out or not, by what a kernel does."""
    panels = np.empty(packing.panels_shape(*q.shape), np.int8)
    padded = np.zeros(len(panels) * WIDTH, a.dtype)
    padded[:len(scales)] = scales
    multiply_by_int8(a, q, panels, padded, out, int(adds))


@pytest.mark.parametrize("dtype", DTYPES)
@given(M=st.integers(1, 20), K=SIZES, N=SIZES, layout=st.sampled_from(["C", "F", "columns of a wider matrix"]),
       adds=st.booleans(), seed=st.integers(0, 99))
def test_int8_equals_numpy(dtype, M, K, N, layout, adds, seed):
    rng = np.random.default_rng(seed)
    a, out, scales = (rng.standard_normal(shape).astype(dtype) for shape in ((M, K), (M, N), N))
    q = rng.integers(-127, 128, (K, N)).astype(np.int8)
    expected = a.astype(np.float64) @ (q * scales.astype(np.float64)) + (out.copy() if adds else 0)
    scaled_product(a, LAYOUTS[layout](q), scales, out, adds)
    assert_close(out, expected, TOLERANCE[dtype])


@pytest.mark.skipif(not compiling(), reason="NumPy's products of other shapes have other last bits")
@pytest.mark.parametrize("dtype", DTYPES)
def test_int8_of_a_row_alone_or_among_others(dtype):
    """To the last bit, so that parts and batches change nothing."""
    rng, K, N = np.random.default_rng(0), packing.BLOCK + 9, WIDTH + 5
    a, scales = rng.standard_normal((23, K)).astype(dtype), rng.standard_normal(N).astype(dtype)
    q, out = rng.integers(-127, 128, (K, N)).astype(np.int8), np.empty((23, N), dtype)
    scaled_product(a, q, scales, out, False)
    for rows in (slice(0, 1), slice(22, 23), slice(7, 10), slice(3, 17)):
        alone = np.empty_like(out[rows])
        scaled_product(a[rows], q, scales, alone, False)
        assert alone.tobytes() == out[rows].tobytes()


def test_scales_are_not_those_of_floats():
    a, b, out = matrices(3, 5, WIDTH + 1, np.float32)
    panels = np.empty(packing.panels_shape(*b.shape), np.float32)
    multiply_by_int8(a, b, panels, np.full(2 * WIDTH, np.nan, np.float32), out, 0)
    assert_close(out, a @ b, TOLERANCE[np.float32])


def test_what_is_packed():
    """Panels of WIDTH columns, K rows each, zero beyond N."""
    b = np.arange(3.0 * (WIDTH + 2)).reshape(3, WIDTH + 2)
    panels = packing.packed(b, "test")
    assert panels.shape == (2, 3, WIDTH)
    np.testing.assert_array_equal(panels[0], b[:, :WIDTH])
    np.testing.assert_array_equal(panels[1, :, :2], b[:, WIDTH:])
    assert (panels[1, :, 2:] == 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["C", "F", "columns of a wider matrix", "every second, transposed"])
@pytest.mark.parametrize("K", [LANES - 1, LANES, LANES + 3, 2 * LANES])
@pytest.mark.parametrize("N", [LANES - 1, LANES, WIDTH - 1, WIDTH + LANES + 1])
def test_what_is_packed_has_these_numbers_in_any_layout(K, N, layout, dtype):
    b = np.arange(K * N, dtype=dtype).reshape(K, N)
    for a in (LAYOUTS[layout](b), LAYOUTS[layout](np.ascontiguousarray(b.T)).T):
        panels = packing.packed(a, "test")
        whole = panels.transpose(1, 0, 2).reshape(K, -1)
        np.testing.assert_array_equal(whole[:, :N], b)
        assert (whole[:, N:] == 0).all()


@pytest.mark.parametrize("k", [1, 3, packing.BLOCK])
def test_the_first_rows_of_what_was_packed(k):
    a, b, out = matrices(5, packing.BLOCK + 9, WIDTH + 3, np.float64)
    panels = np.empty(packing.panels_shape(*b.shape))
    multiply_in_a_kernel(a, b, panels, out, 0)
    multiply_first_rows(a[:, :k].copy(), panels, k, out)
    assert_close(out, a[:, :k] @ b[:k], 1e-12)


@jit
def multiply_first_rows(a, panels, k, out):
    gemm.multiply(a, panels[:, :k], out, 0)


@pytest.mark.skipif(not compiling(), reason="NumPy's own product promises no bits")
class TestBits:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("layout", ["C", "F"])
    @pytest.mark.parametrize("M, K, N", [(300, 70, 50), (1, 600, 200), (33, 300, WIDTH + 1), (513, 17, 3)])
    def test_for_any_number_of_threads(self, M, K, N, layout, dtype):
        a, b, out = matrices(M, K, N, dtype)
        a = LAYOUTS[layout](a)
        with threads.limited(1):
            one = gemm.product(a, b, out).copy()
        assert one.tobytes() == gemm.product(a, b, out).tobytes()

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("layout", ["C", "F"])
    @pytest.mark.parametrize("N", [LANES, LANES + 3, 2 * LANES, WIDTH + 5, 2 * WIDTH])
    def test_of_a_row_alone_or_among_others(self, N, layout, dtype):
        a, b, out = matrices(23, packing.BLOCK + 9, N, dtype)
        a = LAYOUTS[layout](a)
        gemm.product(a, b, out)
        for rows in (slice(0, 1), slice(22, 23), slice(7, 10), slice(3, 17)):
            alone = gemm.product(a[rows], b, np.empty_like(out[rows]))
            assert alone.tobytes() == out[rows].tobytes()

    def test_of_a_zero_alone_or_among_others(self):
        """-1e-30 x 1e-30 is -0."""
        a, b = np.full((9, 1), -1e-30, np.float32), np.full((1, LANES), 1e-30, np.float32)
        assert np.signbit(gemm.product(a, b, np.empty((9, LANES), np.float32))).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize("M, K, N", [(0, 3, 4), (3, 0, 4), (3, 4, 0)])
def test_empty_matrices(M, K, N, adds, dtype):
    a, b, c = matrices(M, K, N, dtype)
    expected, out = c if adds else np.zeros_like(c), c.copy()
    np.testing.assert_array_equal(gemm.product(a, b, out, out if adds else None), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_and_inf_pass_through(dtype):
    """The compiler was not told that there are none."""
    a, b, out = matrices(3, 4, 5, dtype)
    a[0, 1], a[1, 2] = np.nan, np.inf
    with np.errstate(invalid="ignore"):  # where nothing is compiled, NumPy says that it met them
        gemm.product(a, b, out)
    assert np.isnan(out[0]).all()
    np.testing.assert_array_equal(out[1], np.sign(b[2]) * np.inf)
    assert np.isfinite(out[2]).all()


OUT = np.zeros((2, 5))


@pytest.mark.parametrize("plus, message", [
    (np.zeros(4), "shapes do not fit"), (np.zeros((2, 4)), "shapes do not fit"), (np.zeros(5, np.float32), "one dtype"),
    (np.zeros(10)[::2], "consecutive"), (np.zeros((5, 2)).T, "consecutive"), (OUT[0], "share memory")])
def test_what_is_added_is_checked_too(plus, message):
    with pytest.raises(AssertionError, match="product: .*" + message):
        gemm.product(np.zeros((2, 3)), np.zeros((3, 5)), OUT, plus)


def test_what_is_added_is_checked_where_rows_are_short():
    with pytest.raises(AssertionError, match="product: the columns of out and plus must be consecutive"):
        gemm.product(np.zeros((7, 3)), np.zeros((3, 2)), np.zeros((7, 2)), np.zeros(4)[::2])


@pytest.mark.parametrize("a, b, out, message", [
    (np.zeros((2, 3)), np.zeros((4, 5)), np.zeros((2, 5)), "shapes do not fit"),
    (np.zeros((2, 3)), np.zeros((3, 5), np.float32), np.zeros((2, 5)), "one dtype"),
    (np.zeros((2, 3)), np.zeros((3, 5)), np.zeros((3, 5)), "shapes do not fit"),
    (np.zeros((2, 3)), np.zeros((3, 5)), np.zeros((2, 5), np.float32), "one dtype"),
    (np.zeros((2, 3)), np.zeros((3, 5)), np.zeros((5, 2)).T, "consecutive"),
])
def test_a_wrong_call_stops_before_compiled_code(a, b, out, message):
    with pytest.raises(AssertionError, match="product: .*" + message):
        gemm.product(a, b, out)


def run_product_tests(**environment):
    files = (str(Path(__file__).with_name(name)) for name in ("test_gemm.py", "test_tile.py"))
    run_python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not process", *files, **environment)


@pytest.mark.slow
@pytest.mark.parametrize("vectors", sorted(set(TILES) - {VECTORS}))
def test_other_vectors_in_a_process(vectors):
    """Every width is tested by choosing it: the compiler splits vectors that the processor does not have."""
    run_product_tests(TINYLLM_VECTORS=vectors)


@pytest.mark.slow
def test_bounds_checks_find_nothing_in_a_process():
    run_product_tests(NUMBA_BOUNDSCHECK="1")


@pytest.mark.skipif(not compiling(), reason="this is that process")
def test_without_compilation_in_a_process():
    """The product is NumPy's there."""
    run_product_tests(NUMBA_DISABLE_JIT="1")
