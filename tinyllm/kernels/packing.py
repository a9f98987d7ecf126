"""How matrices lie for the register tile (tile.py): consecutive numbers for each step of k, as they are multiplied.

    panels of B (K, N)   (panels, K, WIDTH): WIDTH columns of each k, 0 beyond N
    strips of A (M, K)   one after the other, STRIP rows of each k: where k is not the consecutive axis of A

    packed(b, name)      from Python, over threads: into room from the pool
    pack_into(b, panels) the same into room of one's own
    pack(b, panels)      inside a kernel, on one thread; no stride of b is negative
    pack_strips(...)     inside the product

Where compilation is off, the first three are NumPy.
"""
import numba
import numpy as np
from numba import prange

from tinyllm.kernels import scratch
from tinyllm.kernels.jit import compiling, jit
from tinyllm.kernels.tile import LANES, ROWS, WIDTH, pointer_at, transpose_block

BLOCK = 512  # rows of k that one task packs, and of which a product makes use at a time
STRIP = ROWS[0]


def panels_shape(K, N):
    """The shape of K x N numbers packed for the tile: (panels, K, WIDTH)."""
    return (N + WIDTH - 1) // WIDTH, K, WIDTH


def packed(b, name="panels"):
    """b (K, N), any strides, packed into room of this name from the pool: (panels, K, WIDTH)."""
    P, K, _ = shape = panels_shape(*b.shape)
    panels = scratch.take(name, P * K * WIDTH, b.dtype).reshape(shape)
    pack_into(b, panels)
    return panels


def pack_into(b, panels):
    """b (K, N), any strides, packed into panels (panels, K, WIDTH), over threads."""
    assert panels.shape == panels_shape(*b.shape) and panels.dtype == b.dtype, "pack_into: shapes or dtypes do not fit"
    b = forward(b)
    if compiling():
        _pack_tasks(*address(b), b.shape[1], panels)
    else:
        pack(b, panels)


def forward(array):
    """array, or a copy where a stride is negative or no multiple of an item: packing counts in items."""
    plain = all(stride >= 0 and stride % array.itemsize == 0 for stride in array.strides)
    return array if plain else np.ascontiguousarray(array)


def address(array):
    """Where a matrix lies, and its strides in bytes."""
    return array.__array_interface__["data"][0], *array.strides


@jit
def _pack_panel(b, b_k, b_n, n, panel):
    """panel (K, WIDTH) from the n columns at address b, strides in bytes."""
    K = panel.shape[0]
    zero = panel.dtype.type(0)
    if b_n == panel.itemsize:
        for k in range(K):
            source = numba.carray(pointer_at(b + k * b_k, zero), n)
            row = panel[k]
            for j in range(n):
                row[j] = source[j]
    elif b_k == panel.itemsize and min(K, n) >= LANES:
        item, place = panel.itemsize, np.int64(panel.ctypes.data)
        for k in range(0, K, LANES):  # the last blocks overlap those before
            k = min(k, K - LANES)
            for j in range(0, n, LANES):
                j = min(j, n - LANES)
                transpose_block(zero, b + k * item + j * b_n, b_n, place + (k * WIDTH + j) * item, WIDTH * item)
    else:
        step = b_k // panel.itemsize
        for k0 in range(0, K, 16):  # 16 k at a time: a column of B brings them in one cache line
            length = min(K - k0, 16)
            for j in range(n):
                source = numba.carray(pointer_at(b + j * b_n + k0 * b_k, zero), (length - 1) * step + 1)
                for k in range(length):
                    panel[k0 + k, j] = source[k * step]
    if n < WIDTH:
        for k in range(K):
            for j in range(n, WIDTH):
                panel[k, j] = zero


@jit(parallel=True)
def _pack_tasks(b, b_k, b_n, N, panels):
    """Pack the matrix at address b into panels (panels, K, WIDTH), over threads."""
    P, K = panels.shape[0], panels.shape[1]
    for task in prange((K + BLOCK - 1) // BLOCK * P):
        k0, p = task // P * BLOCK, task % P
        n = min(WIDTH, N - p * WIDTH)
        _pack_panel(b + p * WIDTH * b_n + k0 * b_k, b_k, b_n, n, panels[p, k0:k0 + BLOCK])


@jit
def pack_strips(zero, item, a, a_row, a_k, M, K, place):
    """A (M, K) at address a into strips at address place: that of rows m..m+STRIP lies at m * K, STRIP numbers a k.

    zero is a number of their type, item its bytes.
    """
    row, step = a_row // item, a_k // item
    strips = numba.carray(pointer_at(place, zero), (M + STRIP - 1) // STRIP * STRIP * K)
    for k0 in range(0, K, 16):  # 16 k at a time, for the next strip reads on in the same cache lines
        length = min(16, K - k0)
        for m in range(0, M, STRIP):
            rows, strip = min(STRIP, M - m), strips[m * K + k0 * STRIP:]
            source = numba.carray(pointer_at(a + m * a_row + k0 * a_k, zero),
                                  (rows - 1) * row + (length - 1) * step + 1)
            for k in range(length):
                if rows == STRIP and row == 1:
                    numbers, packed = source[k * step:k * step + STRIP], strip[k * STRIP:(k + 1) * STRIP]
                    for i in range(STRIP):
                        packed[i] = numbers[i]
                else:
                    for i in range(rows):
                        strip[k * STRIP + i] = source[i * row + k * step]


if compiling():
    @jit
    def pack(b, panels):
        """b (K, N), any strides, into panels (panels, K, WIDTH), on one thread."""
        for p in range(panels.shape[0]):
            _pack_panel(np.int64(b.ctypes.data) + p * WIDTH * b.strides[1], b.strides[0], b.strides[1],
                        min(WIDTH, b.shape[1] - p * WIDTH), panels[p])
else:
    def pack(b, panels):
        """b (K, N), any strides, into panels (panels, K, WIDTH)."""
        for p in range(len(panels)):
            columns = b[:, p * WIDTH:(p + 1) * WIDTH]
            panels[p, :, :columns.shape[1]] = columns
            panels[p, :, columns.shape[1]:] = 0


def unpacked(panels, N):
    """What was packed, where nothing is compiled."""
    P, K, _ = panels.shape
    return panels.transpose(1, 0, 2).reshape(K, P * WIDTH)[:, :N]
