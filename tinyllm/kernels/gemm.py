"""The one product of matrices that every kernel calls.

    C[M, N] (+)= A[M, K] @ B[K, N]             A and B with any strides, C with consecutive columns

B is packed first: panels of WIDTH columns, each panel K rows of WIDTH consecutive numbers, zero beyond N.
Then strips of STRIP rows of A meet one block of a panel (BLOCK rows of k: it stays in the first-level cache
while the strips go by) in the register tile (tile.py).  Where k is not the consecutive axis of A (A = X^T,
the weight gradients), A is packed as well, strip by strip.

    product(a, b, out)                  from Python: packs and multiplies, over threads
    packed(b, name)                     from Python: what a time loop does once for its weights
    product_packed(a, panels, out)      from Python: the product with what was packed, over threads
    pack(b, panels)                     the same inside a kernel, on one thread; no stride of b is negative
    multiply(a, panels, out, adds)      inside a kernel, on one thread: out (+)= a @ (what was packed)
                                        (panels[:, :k] multiplies by the first k rows of B only)

Threads take blocks of C and never parts of one sum, and each element of C is the same chain of sums whatever
its block is: results are bit-identical for any number of threads, and for a row alone or among others.

Compiled code cannot call NumPy's BLAS without SciPy; where compilation is off, all five are NumPy.
"""
import numba
import numpy as np
from numba import prange

from tinyllm.kernels import scratch, threads
from tinyllm.kernels.jit import compiling, jit
from tinyllm.kernels.tile import ROWS, WIDTH, pointer_at, tile1, tile2, tile4, tile8

BLOCK = 256  # rows of k at a time: 256 x 32 floats are 32 KB
STRIP = ROWS[0]
TASK_ROWS = 256  # rows of C that a task takes: its strips of A stay in the second-level cache


def panels_shape(K, N):
    """The shape of K x N numbers packed for the tile: (panels, K, WIDTH)."""
    return (N + WIDTH - 1) // WIDTH, K, WIDTH


def packed(b, name="panels"):
    """b (K, N), any strides, packed into room of this name from the pool: (panels, K, WIDTH)."""
    b = _forward(b)
    P, K, _ = shape = panels_shape(*b.shape)
    panels = scratch.take(name, P * K * WIDTH, b.dtype).reshape(shape)
    if compiling():
        _pack_tasks(*_address(b), b.shape[1], panels)
    else:
        pack(b, panels)
    return panels


def product(a, b, out, accumulate=False):
    """out (+)= a @ b, and out: a (M, K), b (K, N) with any strides, out (M, N) with consecutive columns."""
    _check(a, b.dtype, *b.shape, out)
    if compiling():
        return product_packed(a, packed(b), out, accumulate)
    out[...] = a @ b + out if accumulate else a @ b
    return out


def product_packed(a, panels, out, accumulate=False):
    """product(a, b, out, accumulate) where panels = packed(b): a loop over blocks of a packs b once."""
    (M, K), N = a.shape, out.shape[1]
    _check(a, panels.dtype, panels.shape[1], N, out)
    assert panels.shape == panels_shape(K, N), "product: shapes do not fit"
    if not compiling():
        multiply(a, panels, out, accumulate)
    elif K == 0 and not accumulate:
        out[...] = 0
    elif M and N and K:
        a = _forward(a)
        address, a_row, a_k = _address(a)
        rows_packed = 0 if a_k == a.itemsize else (M + STRIP - 1) // STRIP * STRIP
        strips = scratch.take("strips", rows_packed * K, a.dtype)
        c, c_row, _ = _address(out)
        _multiply_tasks(address, a_row, a_k, M, panels, strips, c, c_row, N, int(accumulate),
                        threads.count())
    return out


def _check(a, dtype, K, N, out):
    """Stop before compiled code, which checks nothing."""
    M = len(a)
    assert a.shape == (M, K) and out.shape == (M, N), "product: shapes do not fit"
    assert a.dtype == dtype == out.dtype, "product: one dtype"
    assert out.size <= M or out.strides[1] == out.itemsize, "product: the columns of out must be consecutive"


def _forward(array):
    """array, or a copy where a stride is negative or no multiple of an item: packing counts in items."""
    plain = all(stride >= 0 and stride % array.itemsize == 0 for stride in array.strides)
    return array if plain else np.ascontiguousarray(array)


def _address(array):
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
def _multiply_strip(zero, rows, a, a_row, a_k, b, K, c, c_row, n, accumulate):
    """Up to STRIP rows of C against one block of a panel, in the tiles that their number is the sum of."""
    if rows == 8:
        tile8(zero, a, a_row, a_k, b, K, c, c_row, n, accumulate)
        return
    if rows & 4:
        tile4(zero, a, a_row, a_k, b, K, c, c_row, n, accumulate)
        a, c = a + 4 * a_row, c + 4 * c_row
    if rows & 2:
        tile2(zero, a, a_row, a_k, b, K, c, c_row, n, accumulate)
        a, c = a + 2 * a_row, c + 2 * c_row
    if rows & 1:
        tile1(zero, a, a_row, a_k, b, K, c, c_row, n, accumulate)


@jit
def multiply_panels(M, a, a_strip, a_row, a_k, panels, first, last, c, c_row, N, accumulate):
    """Rows 0..M of C (+)= A @ panels[first:last], on one thread; addresses and strides in bytes.

    a_strip is the way from one strip of A to the next: STRIP * a_row, unless A is packed.
    """
    K, item, zero = panels.shape[1], panels.itemsize, panels.dtype.type(0)
    base = np.int64(panels.ctypes.data)
    for k0 in range(0, K, BLOCK):
        length = min(BLOCK, K - k0)
        adds = 1 if k0 > 0 else accumulate
        for p in range(first, last):
            b = base + p * panels.strides[0] + k0 * WIDTH * item
            n = min(WIDTH, N - p * WIDTH)
            for m in range(0, M, STRIP):
                _multiply_strip(zero, min(STRIP, M - m), a + m // STRIP * a_strip + k0 * a_k, a_row, a_k,
                                b, length, c + m * c_row + p * WIDTH * item, c_row, n, adds)


@jit
def _pack_strips(a, a_row, a_k, M, K, k0, k1, strips):
    """A's numbers of k0..k1 into strips: that of rows m..m+STRIP lies at m * K, STRIP numbers for each k."""
    step, zero = a_row // strips.itemsize, strips.dtype.type(0)
    for k in range(k0, k1):
        source = numba.carray(pointer_at(a + k * a_k, zero), (M - 1) * step + 1)
        for m in range(0, M - STRIP + 1, STRIP):
            strip = strips[m * K + k * STRIP:m * K + (k + 1) * STRIP]
            if step == 1:
                numbers = source[m:m + STRIP]
                for i in range(STRIP):
                    strip[i] = numbers[i]
            else:
                for i in range(STRIP):
                    strip[i] = source[(m + i) * step]
        m = M // STRIP * STRIP
        for i in range(M - m):
            strips[m * K + k * STRIP + i] = source[(m + i) * step]


@jit(parallel=True)
def _multiply_tasks(a, a_row, a_k, M, panels, strips, c, c_row, N, accumulate, threads):
    """C (+)= A @ panels, blocks of C over threads; strips: room for A where k is not its consecutive axis."""
    P, K, item = panels.shape[0], panels.shape[1], panels.itemsize
    n_strips = (M + STRIP - 1) // STRIP
    a_strip = STRIP * a_row
    if strips.size:
        for block in prange((K + 63) // 64):
            _pack_strips(a, a_row, a_k, M, K, block * 64, min(K, block * 64 + 64), strips)
        a, a_row, a_k, a_strip = np.int64(strips.ctypes.data), item, STRIP * item, STRIP * K * item
    by_rows = (M + TASK_ROWS - 1) // TASK_ROWS
    if by_rows > 1:
        by_rows = min(n_strips, (by_rows + threads - 1) // threads * threads)
    by_panels = 1 if by_rows >= threads else min(P, (threads + by_rows - 1) // by_rows)
    for task in prange(by_rows * by_panels):
        i, j = task // by_panels, task % by_panels
        s0, s1 = n_strips * i // by_rows, n_strips * (i + 1) // by_rows
        multiply_panels(min(M, s1 * STRIP) - s0 * STRIP, a + s0 * a_strip, a_strip, a_row, a_k,
                        panels, P * j // by_panels, P * (j + 1) // by_panels,
                        c + s0 * STRIP * c_row, c_row, N, accumulate)


if compiling():
    @jit
    def pack(b, panels):
        """b (K, N), any strides, into panels (panels, K, WIDTH), on one thread."""
        for p in range(panels.shape[0]):
            _pack_panel(np.int64(b.ctypes.data) + p * WIDTH * b.strides[1], b.strides[0], b.strides[1],
                        min(WIDTH, b.shape[1] - p * WIDTH), panels[p])

    @jit
    def multiply(a, panels, out, accumulate):
        """out (+)= a @ what was packed: a (M, K), panels (panels, K, WIDTH), out (M, N); on one thread."""
        multiply_panels(a.shape[0], np.int64(a.ctypes.data), STRIP * a.strides[0], a.strides[0], a.strides[1],
                        panels, 0, panels.shape[0], np.int64(out.ctypes.data), out.strides[0], out.shape[1], accumulate)
else:
    def pack(b, panels):
        """b (K, N), any strides, into panels (panels, K, WIDTH)."""
        for p in range(len(panels)):
            columns = b[:, p * WIDTH:(p + 1) * WIDTH]
            panels[p, :, :columns.shape[1]] = columns
            panels[p, :, columns.shape[1]:] = 0

    def multiply(a, panels, out, accumulate):
        """out (+)= a @ what was packed: a (M, K), panels (panels, K, WIDTH), out (M, N)."""
        b = panels.transpose(1, 0, 2).reshape(panels.shape[1], -1)[:, :out.shape[1]]
        out[...] = a @ b + out if accumulate else a @ b
