import numpy as np
import pytest

from tests.oracle import DTYPES
from tests.process import run_python
from tinyllm.kernels import tile
from tinyllm.kernels.jit import compiling, jit

TILES = {8: tile.tile8, 4: tile.tile4, 2: tile.tile2, 1: tile.tile1}
tile8, tile4, tile2, tile1 = (TILES[rows] for rows in (8, 4, 2, 1))


@jit
def run(rows, a, b, c, n, accumulate):
    """One tile of this many rows; b (K, WIDTH) as it is packed."""
    zero, K = a.dtype.type(0), a.shape[1]
    where = (a.ctypes.data, a.strides[0], a.strides[1], b.ctypes.data, K,
             c.ctypes.data, c.strides[0], n, accumulate)
    if rows == 8:
        tile8(zero, *where)
    elif rows == 4:
        tile4(zero, *where)
    elif rows == 2:
        tile2(zero, *where)
    else:
        tile1(zero, *where)


@pytest.mark.skipif(not compiling(), reason="the tile is made of instructions")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("accumulate", [0, 1])
@pytest.mark.parametrize("rows", tile.ROWS)
def test_one_tile(rng, rows, accumulate, dtype):
    """For every number of columns: nothing beside them is touched; small integers, so that sums are exact."""
    K = 5
    a = rng.integers(-4, 5, (rows, K)).astype(dtype)
    b = rng.integers(-4, 5, (K, tile.WIDTH)).astype(dtype)
    for n in range(1, tile.WIDTH + 1):
        c = np.full((rows + 1, tile.WIDTH + 1), 7, dtype)
        run(rows, a, b, c, n, accumulate)
        expected = np.full_like(c, 7)
        expected[:rows, :n] = a @ b[:, :n] + (7 if accumulate else 0)
        np.testing.assert_array_equal(c, expected)


def test_the_widest_strip_is_the_first():
    for lanes, rows in tile.TILES.values():
        assert rows[0] == max(rows) and rows[-1] == 1
        assert lanes * tile.VECTORS_PER_ROW % 4 == 0


@pytest.mark.parametrize("vectors", tile.TILES)
def test_vectors_are_chosen_by_hand(vectors):
    code = "from tinyllm.kernels import tile; print(tile.VECTORS, tile.WIDTH)"
    assert run_python("-c", code, TINYLLM_VECTORS=vectors) == f"{vectors} {2 * tile.TILES[vectors][0]}"


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
