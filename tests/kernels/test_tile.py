import numpy as np
import pytest

from tests.oracle import DTYPES
from tests.process import run_python
from tinyllm.kernels import tile
from tinyllm.kernels.gemm import BLOCK_ROWS
from tinyllm.kernels.jit import compiling, jit

MOST = tile.ROWS[0]
tile8, tile4, tile2, tile1 = tile.tile8, tile.tile4, tile.tile2, tile.tile1
narrower_tile, narrowest_tile = tile.narrower_tile, tile.narrowest_tile
row8, row4, row2, row1 = tile.row8, tile.row4, tile.row2, tile.row1


@jit
def run(rows, vectors, a, b, scales, d, c, n):
    """One tile of this many rows and vectors; an empty d is not added."""
    zero, weight, K = a.dtype.type(0), b.dtype.type(0), a.shape[1]
    where = (a.ctypes.data, a.strides[0], a.strides[1], b.ctypes.data, b.strides[0], K, scales.ctypes.data,
             d.ctypes.data if d.size else 0, d.strides[0], c.ctypes.data, c.strides[0], n)
    if rows == 1 and vectors == 8:
        row8(zero, weight, *where)
    elif rows == 1 and vectors == 4:
        row4(zero, weight, *where)
    elif rows == 1 and vectors == 2:
        row2(zero, weight, *where)
    elif rows == 1 and vectors == 1:
        row1(zero, weight, *where)
    elif vectors == 1:
        narrowest_tile(zero, weight, *where)
    elif vectors == 2:
        narrower_tile(zero, weight, *where)
    elif rows == 8:
        tile8(zero, weight, *where)
    elif rows == 4:
        tile4(zero, weight, *where)
    elif rows == 2:
        tile2(zero, weight, *where)
    else:
        tile1(zero, weight, *where)


@pytest.mark.skipif(not compiling(), reason="the tile is made of instructions")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("plus", ["nothing", "itself", "a row"])
@pytest.mark.parametrize("of_int8", [False, True])
@pytest.mark.parametrize("rows, vectors", [(rows, 3) for rows in tile.ROWS] + [
    (MOST, 2), (MOST, 1), (1, 8), (1, 4), (1, 2), (1, 1)])
def test_one_tile(rng, rows, vectors, of_int8, plus, dtype):
    """For every number of columns: nothing beside them is touched; small integers, so that sums are exact."""
    K, columns = 5, vectors * tile.LANES
    a = rng.integers(-4, 5, (rows, K)).astype(dtype)
    b = rng.integers(-127, 128, (K, columns + 1)).astype(np.int8 if of_int8 else dtype)
    scales = 2.0 ** rng.integers(-9, 10, columns).astype(dtype)
    real = b[:, :-1] * scales if of_int8 else b
    row = rng.integers(-4, 5, columns).astype(dtype)
    for n in range(1, columns + 1):
        c = np.full((rows + 1, columns + 1), 7, dtype)
        d = {"nothing": c[:0], "itself": c, "a row": np.broadcast_to(row[:n], (rows, n))}[plus]
        run(rows, vectors, a, b, scales, d, c, n)
        expected = np.full_like(c, 7)
        expected[:rows, :n] = a @ real[:, :n] + {"nothing": 0, "itself": 7, "a row": row[:n]}[plus]
        np.testing.assert_array_equal(c, expected)


def test_the_widest_strip_is_the_first():
    for _, rows in tile.TILES.values():
        assert rows[0] == max(rows) and rows[-1] == 1
        assert BLOCK_ROWS % rows[0] == 0  # room for its strips is room for whole ones


@pytest.mark.parametrize("vectors", tile.TILES)
def test_vectors_are_chosen_by_hand(vectors):
    code = "from tinyllm.kernels import tile; print(tile.VECTORS, tile.WIDTH)"
    assert run_python("-c", code, TINYLLM_VECTORS=vectors) == f"{vectors} {3 * tile.TILES[vectors][0]}"


def test_vectors_that_do_not_exist(monkeypatch):
    monkeypatch.setenv("TINYLLM_VECTORS", "sse")
    with pytest.raises(ValueError, match="TINYLLM_VECTORS: must be one of avx512, avx2, neon, got sse"):
        tile._choose()


@pytest.mark.parametrize("features, vectors", [
    ({"avx512f": True, "avx2": True, "fma": True}, "avx512"), ({"avx2": True, "fma": True}, "avx2"),
    ({"avx2": True}, "neon"), ({}, "neon")])
def test_the_choice_for_a_processor(monkeypatch, features, vectors):
    monkeypatch.delenv("TINYLLM_VECTORS", raising=False)
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", lambda: features)
    assert tile._choose() == vectors
