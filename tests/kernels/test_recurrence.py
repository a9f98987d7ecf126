"""The products outside of the time loop, through the ops that call them: x is rows of a table, or an empty batch."""
import contextlib

import numpy as np
import pytest

from tests.ops.recurrent import GRU, LSTM, OPTIONS, RNN, draw, draw_mask, run
from tests.oracle import DTYPES, FORMULA_TOLERANCE, assert_close
from tinyllm.autograd import Tensor, formulas, no_grad
from tinyllm.kernels.jit import compiling
from tinyllm.ops.embedding import embedding, table_of

CELLS = [pytest.param(cell, id=cell.torch_name) for cell in (RNN, GRU, LSTM)]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("V", [1, 7, 8])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_a_table(rng, dtype, V, options, cell):
    """x = embedding(ids, table): kernel equals formula where x is used once more, and has the bits of x alone."""
    arrays, ids = draw(cell, rng, B=3, T=5, dtype=dtype), rng.integers(0, V, (3, 5))
    table = rng.standard_normal((V, 4)).astype(dtype)
    options = dict(valid=draw_mask(options["mask"], rng, 3, 5), reverse=options["reverse"])
    dout = rng.standard_normal(run(cell, arrays)[0].shape).astype(dtype)

    def of_table(on):
        tensors = [Tensor(a, requires_grad=True) for a in (table, *arrays[1:])]
        with on():
            x = embedding(ids, tensors[0])
            out = cell.op(x, *tensors[1:], **options)
            (out * x[:, :, :1]).backward(dout)
        return table_of(x)[1], out.data, [t.grad for t in tensors]

    by_table, kernel, kernel_grads = of_table(contextlib.nullcontext)
    _, formula, formula_grads = of_table(formulas)
    assert (by_table is not None) == (2 * V <= ids.size)
    alone, _ = run(cell, [table[ids], *arrays[1:]], **options)
    if compiling():  # NumPy's product has other bits for other shapes
        np.testing.assert_array_equal(kernel, alone)
    assert_close(kernel, formula, FORMULA_TOLERANCE[dtype])
    for ours, expected in zip(kernel_grads, formula_grads, strict=True):
        assert_close(ours, expected, FORMULA_TOLERANCE[dtype])


@pytest.mark.parametrize("cell", CELLS)
def test_whose_gradient(rng, cell, V=3):
    """A table's gradient comes by way of x: not where x has no history, nor where x itself requires one."""
    arrays, ids, table = draw(cell, rng, B=3, T=5), rng.integers(0, V, (3, 5)), rng.standard_normal((V, 4))
    dout = rng.standard_normal(run(cell, arrays)[0].shape)
    _, (dx, *_) = run(cell, [table[ids], *arrays[1:]], dout)
    others = [Tensor(a, requires_grad=True) for a in arrays[1:]]
    weight = Tensor(table, requires_grad=True)
    with no_grad():
        x = embedding(ids, weight)
    cell.op(x, *others).backward(dout)
    assert weight.grad is None and x.grad is None
    x = embedding(ids, Tensor(np.asfortranarray(table)))
    x.requires_grad = True
    cell.op(x, *others).backward(dout)
    assert_close(x.grad, dx, 1e-12)
    cell.op(embedding(ids, Tensor(np.asfortranarray(table))), *others).backward(dout)  # nothing of x is wanted
    cell.op(embedding(ids, weight), *others).backward(dout)
    expected = np.zeros_like(table)
    np.add.at(expected, ids, dx)
    assert_close(weight.grad, expected, 1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_empty_batch(rng, cell):
    arrays = draw(cell, rng, B=0)
    out, _ = run(cell, arrays)
    _, grads = run(cell, arrays, np.zeros_like(out))
    for array, grad in zip(arrays, grads, strict=True):
        np.testing.assert_array_equal(grad, np.zeros_like(array))
