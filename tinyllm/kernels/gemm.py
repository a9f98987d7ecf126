"""The one product of matrices that every kernel calls.

    C[M, N] = A[M, K] @ B[K, N] (+ D)          A and B with any strides, C and D with consecutive columns

B is packed first (packing.py): panels of WIDTH columns, each panel K rows of WIDTH consecutive numbers, zero beyond N.
Then BLOCK rows of k of BLOCK_PANELS panels stay in the second-level cache while the rows of A go by, BLOCK_ROWS
at a time, of which strips of STRIP rows meet one panel in the register tile (tile.py).  Where k is not the
consecutive axis of A (A = X^T, the weight gradients), A is packed as well, BLOCK_ROWS x BLOCK of it at a time
(again for every BLOCK_PANELS panels; a weight gradient rarely has more).

    product(a, b, out, plus)                from Python: packs and multiplies, over threads
    product_packed(a, panels, out, plus)    from Python: the product with what was packed, over threads
    multiply(a, panels, out, adds)          inside a kernel, on one thread: out (+)= a @ (what was packed)
                                            (panels[:, :k] multiplies by the first k rows of B only)
    multiply_scaled(a, panels, scales, out, adds)   the same with int8 that was packed, column n times scales[n]
    multiply_row(a, b, out)                 inside a kernel: one row, out = a @ b, where b is not packed

Threads take blocks of C and never parts of one sum, and each element of C is the same chain of sums whatever
its block is: results are bit-identical for any number of threads, and for a row alone or among others.

Compiled code cannot call NumPy's BLAS without SciPy; where compilation is off, all five are NumPy.
"""
import numpy as np
from numba import prange

from tinyllm.kernels import scratch, threads
from tinyllm.kernels.jit import compiling, jit
from tinyllm.kernels.packing import BLOCK, STRIP, address, forward, pack_strips, packed, panels_shape, unpacked
from tinyllm.kernels.tile import (
    LANES, WIDTH, narrower_tile, narrowest_tile, row1, row2, row4, row8, tile1, tile2, tile4, tile8)

# With these and BLOCK rows of k float32 takes 1.3 MB of a second-level cache on AVX-512 (of 2 MB where they were
# chosen), half on AVX2
BLOCK_PANELS = 11  # panels at a time
BLOCK_ROWS = 128  # rows of A at a time, a multiple of STRIP
ZERO = np.int64(0)  # a 0 that is written as a figure would be a type of its own, and compiled by itself


def product(a, b, out, plus=None):
    """out = a @ b (+ plus), and out: a (M, K), b (K, N) with any strides, out (M, N) with consecutive columns.

    plus is (N,), a row added to all, or (M, N), each with consecutive columns.  out itself may be given, which adds the
    product to it, but no other array that shares memory with out.
    """
    _check(a, b.dtype, *b.shape, out, plus)
    if compiling():
        return product_packed(a, packed(b), out, plus)
    out[...] = a @ b if plus is None else a @ b + plus
    return out


def product_packed(a, panels, out, plus=None):
    """product(a, b, out, plus) where panels = packed(b): a loop over blocks of a packs b once."""
    (M, K), N = a.shape, out.shape[1]
    _check(a, panels.dtype, panels.shape[1], N, out, plus)
    assert panels.shape == panels_shape(K, N), "product: shapes do not fit"
    if not compiling():
        product(a, unpacked(panels, N), out, plus)
    elif K == 0:
        out[...] = 0 if plus is None else plus
    elif M and N:
        a = forward(a)
        d, d_row, _ = (0, 0, 0) if plus is None else address(np.broadcast_to(plus, out.shape))
        (at, a_row, a_k), (c, c_row, _) = address(a), address(out)
        room = (0 if a_k == a.itemsize else BLOCK_ROWS) * min(K, BLOCK)
        strips = scratch.take("strips", threads.count() * room, a.dtype).reshape(threads.count(), room)
        _multiply_tasks(at, a_row, a_k, M, panels, strips, d, d_row, c, c_row, N)
    return out


def _check(a, dtype, K, N, out, plus):
    """Stop before compiled code, which checks nothing."""
    M = len(a)
    assert a.shape == (M, K) and out.shape == (M, N), "product: shapes do not fit"
    assert a.dtype == dtype == out.dtype, "product: one dtype"
    if plus is not None:
        assert plus.shape in ((N,), (M, N)), "product: shapes do not fit"
        assert plus.dtype == dtype, "product: one dtype"
        assert plus is out or not np.may_share_memory(plus, out), "product: plus and out share memory"
    for array in (out, plus):
        assert array is None or N <= 1 or M == 0 or array.strides[-1] == array.itemsize, (
            "product: the columns of out and plus must be consecutive")


@jit
def _multiply_strip(zero, weight, rows, a, a_row, a_k, b, b_row, K, scales, d, d_row, c, c_row, n):
    """Up to STRIP rows of C against one block of a panel: in one tile, narrower for few columns, or in the tiles that
    their number is the sum of."""
    if rows == 1 and n <= LANES:
        row1(zero, weight, a, a_row, a_k, b, b_row, K, scales, d, d_row, c, c_row, n)
        return
    if rows == 1 and n <= 2 * LANES:
        row2(zero, weight, a, a_row, a_k, b, b_row, K, scales, d, d_row, c, c_row, n)
        return
    if rows == STRIP and n <= LANES:
        narrowest_tile(zero, weight, a, a_row, a_k, b, b_row, K, scales, d, d_row, c, c_row, n)
        return
    if rows == STRIP and n <= 2 * LANES:
        narrower_tile(zero, weight, a, a_row, a_k, b, b_row, K, scales, d, d_row, c, c_row, n)
        return
    if rows == 8:
        tile8(zero, weight, a, a_row, a_k, b, b_row, K, scales, d, d_row, c, c_row, n)
        return
    if rows & 4:
        tile4(zero, weight, a, a_row, a_k, b, b_row, K, scales, d, d_row, c, c_row, n)
        a, c, d = a + 4 * a_row, c + 4 * c_row, d + 4 * d_row
    if rows & 2:
        tile2(zero, weight, a, a_row, a_k, b, b_row, K, scales, d, d_row, c, c_row, n)
        a, c, d = a + 2 * a_row, c + 2 * c_row, d + 2 * d_row
    if rows & 1:
        tile1(zero, weight, a, a_row, a_k, b, b_row, K, scales, d, d_row, c, c_row, n)


@jit
def _multiply_panels(zero, item, weight, M, a, a_row, a_k, b, b_panel, b_row, K, first, last, scales, strips, d, d_row,
                     c, c_row, N):
    """Rows 0..M of C = A @ panels first..last - 1 (+ D), on one thread; addresses and strides in bytes.

    zero is a number of the type of A, item its bytes, and weight one of the panels' type: one code for all layouts.
    strips is the address of room for A packed, or 0: A is read from where it lies.
    scales is the address of a float for each column, read only where the panels are int8.
    Where nothing is added, d and d_row are 0, so that it stays nothing from one row to the next.
    """
    for k0 in range(0, K, BLOCK):
        length = min(BLOCK, K - k0)
        if k0 > 0:
            d, d_row = c, c_row
        for p0 in range(first, last, BLOCK_PANELS):
            for m0 in range(0, M, BLOCK_ROWS):
                rows, block = min(BLOCK_ROWS, M - m0), a + m0 * a_row + k0 * a_k
                block_row, block_k, block_strip = a_row, a_k, STRIP * a_row
                if strips:
                    pack_strips(zero, item, block, a_row, a_k, rows, length, strips)
                    block, block_row = strips, item
                    block_k, block_strip = STRIP * item, STRIP * length * item
                for p in range(p0, min(p0 + BLOCK_PANELS, last)):
                    here, column = b + p * b_panel + k0 * b_row, p * WIDTH * item
                    n = min(WIDTH, N - p * WIDTH)
                    for m in range(0, rows, STRIP):
                        _multiply_strip(zero, weight, min(STRIP, rows - m), block + m // STRIP * block_strip, block_row,
                                        block_k, here, b_row, length, scales + column,
                                        d + (m0 + m) * d_row + column if d else 0, d_row,
                                        c + (m0 + m) * c_row + column, c_row, n)


@jit(parallel=True)
def _multiply_tasks(a, a_row, a_k, M, panels, strips, d, d_row, c, c_row, N):
    """C = A @ panels (+ D), blocks of C over threads; strips: for each thread room for A packed."""
    P, parts, b, zero = panels.shape[0], strips.shape[0], np.int64(panels.ctypes.data), panels.dtype.type(0)
    n_strips = (M + STRIP - 1) // STRIP
    by_rows = min(parts, n_strips) if M > BLOCK_ROWS or strips.size else 1  # what is packed, one thread packs
    by_panels = 1 if by_rows >= parts else min(P, (parts + by_rows - 1) // by_rows)
    tasks = by_rows * by_panels
    for part in prange(parts):
        for task in range(tasks * part // parts, tasks * (part + 1) // parts):
            i, j = task // by_panels, task % by_panels
            s0, s1 = n_strips * i // by_rows, n_strips * (i + 1) // by_rows
            place = np.int64(strips[part].ctypes.data) if strips.size else ZERO
            _multiply_panels(zero, panels.itemsize, zero, min(M, s1 * STRIP) - s0 * STRIP, a + s0 * STRIP * a_row,
                             a_row, a_k, b, panels.strides[0], panels.strides[1], panels.shape[1],
                             P * j // by_panels, P * (j + 1) // by_panels, ZERO, place,
                             d + s0 * STRIP * d_row if d else 0, d_row, c + s0 * STRIP * c_row, c_row, N)


if compiling():
    @jit
    def multiply(a, panels, out, adds):
        """out (+)= a @ what was packed: a (M, K), panels (panels, K, WIDTH), out (M, N); on one thread."""
        c, c_row = np.int64(out.ctypes.data), out.strides[0]
        _multiply_panels(a.dtype.type(0), a.itemsize, panels.dtype.type(0), a.shape[0], np.int64(a.ctypes.data),
                         a.strides[0], a.strides[1], np.int64(panels.ctypes.data), panels.strides[0],
                         panels.strides[1], panels.shape[1], ZERO, panels.shape[0], ZERO, ZERO, c if adds else 0,
                         c_row if adds else 0, c, c_row, out.shape[1])

    @jit
    def multiply_scaled(a, panels, scales, out, adds):
        """out (+)= a @ what was packed; where that is int8, its column n is multiplied by scales[n].

        scales (panels * WIDTH) of the dtype of a; where the panels are of that dtype too they are not read.
        """
        c, c_row = np.int64(out.ctypes.data), out.strides[0]  # as multiply: to share this would count references
        _multiply_panels(a.dtype.type(0), a.itemsize, panels.dtype.type(0), a.shape[0], np.int64(a.ctypes.data),
                         a.strides[0], a.strides[1], np.int64(panels.ctypes.data), panels.strides[0],
                         panels.strides[1], panels.shape[1], ZERO, panels.shape[0], np.int64(scales.ctypes.data), ZERO,
                         c if adds else 0, c_row if adds else 0, c, c_row, out.shape[1])

    @jit
    def multiply_row(a, b, out):
        """out = a @ b for one row, b as it lies: a (1, K), out (1, N), b (K, N rounded up to whole vectors), K >= 1.

        The columns of each are consecutive.
        """
        N, (b_row, item), zero = out.shape[1], b.strides, a.dtype.type(0)
        for k0 in range(0, a.shape[1], BLOCK):
            length, column = min(BLOCK, a.shape[1] - k0), 0
            x, y = np.int64(a.ctypes.data) + k0 * item, np.int64(b.ctypes.data) + k0 * b_row
            c = np.int64(out.ctypes.data)
            while column < N:
                left, d = (N - column + LANES - 1) // LANES, c if k0 else ZERO
                vectors = 8 if left >= 8 else 4 if left >= 4 else 2 if left >= 2 else 1
                n = min(N - column, vectors * LANES)
                if vectors == 8:
                    row8(zero, zero, x, 0, item, y, b_row, length, ZERO, d, 0, c, 0, n)
                elif vectors == 4:
                    row4(zero, zero, x, 0, item, y, b_row, length, ZERO, d, 0, c, 0, n)
                elif vectors == 2:
                    row2(zero, zero, x, 0, item, y, b_row, length, ZERO, d, 0, c, 0, n)
                else:
                    row1(zero, zero, x, 0, item, y, b_row, length, ZERO, d, 0, c, 0, n)
                column, y, c = column + n, y + n * item, c + n * item
else:
    def multiply(a, panels, out, adds):
        """out (+)= a @ what was packed: a (M, K), panels (panels, K, WIDTH), out (M, N)."""
        product(a, unpacked(panels, out.shape[1]), out, out if adds else None)

    def multiply_scaled(a, panels, scales, out, adds):
        """out (+)= a @ what was packed; where that is int8, its column n is multiplied by scales[n]."""
        b = unpacked(panels, out.shape[1])
        if panels.dtype == np.int8:
            b = b * scales[:out.shape[1]]
        product(a, b, out, out if adds else None)

    def multiply_row(a, b, out):
        """out = a @ b for one row, b as it lies: a (1, K), out (1, N), b (K, N rounded up to whole vectors)."""
        product(a, b[:, :out.shape[1]], out)
