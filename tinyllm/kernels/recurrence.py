"""What the recurrent ops share: who takes which rows, which way time runs, and the products outside of the time loop.

A recurrent op forks once a sequence: every part of the batch walks the whole time loop by itself, with no
barrier inside.  A row's numbers depend on no other row, so the parts change the speed and never a bit.
"""
import numpy as np
from numba import prange

from tinyllm.kernels import scratch, threads
from tinyllm.kernels.gemm import product, product_packed
from tinyllm.kernels.jit import jit
from tinyllm.kernels.packing import packed
from tinyllm.kernels.sums import sums_by_id
from tinyllm.shapes import check_shapes

UNIT = 4  # rows that stay together: fewer than a tile of 4 rows costs a thread as much as 4
NO_MASK = np.empty((0, 0), bool)


def check_sequence(op, valid, /, **arrays):
    """Check the arrays of a recurrent op, each given with its axes, and the mask; the sizes by letter.

    Raises ValueError for a wrong shape, for another dtype than the first array's, for a mask that is not
    boolean (B, T), and for a sequence without a step.
    """
    masked = {} if valid is None else {"valid": (valid, "BT")}
    sizes = check_shapes(op, **arrays, **masked)
    (first, (x, _)), *others = arrays.items()
    if x.dtype.kind != "f":
        raise ValueError(f"{op}: {first} must be floating point, got {x.dtype}")
    for name, (array, _) in others:
        if array.dtype != x.dtype:
            raise ValueError(f"{op}: {name} must be {x.dtype} as {first}, got {array.dtype}")
    if valid is not None and valid.dtype != bool:
        raise ValueError(f"{op}: valid must be boolean, got {valid.dtype}")
    if sizes["T"] == 0:
        raise ValueError(f"{op}: {first} must have at least one step, got shape {x.shape}")
    return sizes


def parts(B):
    """How many parts B rows are split into: one a thread, unless that leaves a part too few rows."""
    return max(1, min(threads.count(), (B + UNIT - 1) // UNIT))


@jit
def rows_of(part, parts, B):
    """The first row of this part, and the first after it."""
    units = (B + UNIT - 1) // UNIT
    return min(B, units * part // parts * UNIT), min(B, units * (part + 1) // parts * UNIT)


@jit
def time_of(step, T, reverse):
    """The place in the sequence that a step of the loop is at."""
    return T - 1 - step if reverse else step


@jit
def copy_row(source, target):
    """target (H,) = source (H,)."""
    for j in range(target.shape[0]):
        target[j] = source[j]


@jit(parallel=True)
def _states_before(h0, h, reverse, before):
    B, T = h.shape[0], h.shape[1]
    for b in prange(B):
        for step in range(T):
            t = time_of(step, T, reverse)
            source = h0[b] if step == 0 else h[b, time_of(step - 1, T, reverse)]
            copy_row(source, before[b, t])


def states_before(h0, h, reverse, name):
    """h0 (B, H), states h (B, T, H) -> (B, T, H) from the pool: the state that each step started from."""
    before = scratch.take(name, h.size, h.dtype).reshape(h.shape)
    _states_before(h0, h, reverse, before)
    return before


@jit(parallel=True)
def _take(table, ids, out):
    for i in prange(ids.shape[0]):
        copy_row(table[ids[i]], out[i])


def product_before(x, ids, w_ih, out):
    """out (B, T, gates * H) = W_ih x: for all steps in one product of x (B, T, E).

    Where ids (B, T) are given, x is a table (V, E) and a step reads the row with its id: each row is multiplied once,
    however many steps read it, and has the same bits.
    """
    out = out.reshape(-1, len(w_ih))
    if ids is None:
        product(x.reshape(-1, w_ih.shape[1]), w_ih.T, out)
    else:
        table = scratch.take("table", len(x) * len(w_ih), x.dtype).reshape(len(x), len(w_ih))
        _take(product(x, w_ih.T, table), ids.reshape(-1), out)


def products_after(di, dg, x, ids, before, w_ih, wants_x, wants_w_ih, wants_w_hh):
    """The gradients that need no time loop -> dx, dw_ih, dw_hh; None where not wanted.

        dx = di W_ih        dW_ih = di^T x        dW_hh = dg^T h        each one product over all B * T steps

    Where ids are given, x is a table as in product_before, and the di of the steps that read a row are added up first.

    di, dg   (B * T, gates * H): the gradients at W_ih x and at W_hh h, dg as a list of blocks of columns
    before   (B, T, H), the state h that each step started from
    """
    if ids is not None and (wants_x or wants_w_ih):
        di = sums_by_id(di, ids.reshape(-1, 1), len(x))
    dx, dw_ih, dw_hh = None, None, None
    if wants_x:
        dx = np.empty_like(x)
        product(di, w_ih, dx.reshape(-1, w_ih.shape[1]))
    if wants_w_ih:
        dw_ih = product(di.T, x.reshape(-1, w_ih.shape[1]), np.empty_like(w_ih))
    if wants_w_hh:
        H, row = before.shape[2], 0
        panels = packed(before.reshape(-1, H), "before")
        dw_hh = np.empty((sum(block.shape[1] for block in dg), H), x.dtype)
        for block in dg:
            product_packed(block.T, panels, dw_hh[row:row + block.shape[1]])
            row += block.shape[1]
    return dx, dw_ih, dw_hh
