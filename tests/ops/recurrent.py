"""What the tests of rnn, lstm and gru have in common: drawing arrays, running an op, and the checks.

A cell has an op, gates and states: gru has 3 gates and 1 state, lstm 4 and 2.  Arrays stand in the order of
the op's arguments: x, h0, (c0,) w_ih, w_hh, b_ih, b_hh.
"""
import contextlib
from typing import NamedTuple

import numpy as np
import pytest

from tests.oracle import FORMULA_TOLERANCE, TORCH_TOLERANCE, assert_close, torch_or_skip
from tinyllm.autograd import Tensor, formulas, no_grad
from tinyllm.gradcheck import gradcheck
from tinyllm.kernels import threads
from tinyllm.ops import gru, lstm, rnn


class Cell(NamedTuple):
    op: object
    gates: int
    states: int
    torch_name: str

    def h(self, out):
        """The hidden states (B, T, H) within what the op returns."""
        return out[0] if self.states == 2 else out


RNN = Cell(rnn, gates=1, states=1, torch_name="RNN")
GRU = Cell(gru, gates=3, states=1, torch_name="GRU")
LSTM = Cell(lstm, gates=4, states=2, torch_name="LSTM")


MASKS = ["none", "some", "one"]
OPTIONS = [dict(mask=mask, reverse=reverse) for mask in MASKS for reverse in (False, True)]


def draw(cell, rng, B=3, T=5, E=4, H=6, dtype=np.float64):
    """Arrays of about the size that training has: weights shrink with the width."""
    G = cell.gates
    shapes = [(B, T, E)] + cell.states * [(B, H)] + [(G * H, E), (G * H, H), (G * H,), (G * H,)]
    return [(rng.standard_normal(s) / (np.sqrt(s[1]) if len(s) == 2 else 1)).astype(dtype) for s in shapes]


def draw_mask(kind, rng, B, T):
    """None, a mask with gaps anywhere, or a mask with one real position in each row."""
    if kind == "none":
        return None
    if kind == "some":
        return rng.random((B, T)) < 0.6
    return np.arange(T) == rng.integers(0, T, (B, 1))


def run(cell, arrays, dout=None, on=contextlib.nullcontext, **options):
    """The output, and with dout the gradient of every array."""
    tensors = [Tensor(a, requires_grad=dout is not None) for a in arrays]
    with on():
        out = cell.op(*tensors, **options)
    if dout is not None:
        out.backward(dout)
    return out.data, [t.grad for t in tensors]


def check_kernel_equals_formula(cell, dtype, shape, mask, reverse, seed):
    rng = np.random.default_rng(seed)
    arrays = draw(cell, rng, *shape, dtype=dtype)
    options = dict(valid=draw_mask(mask, rng, *shape[:2]), reverse=reverse)
    out, _ = run(cell, arrays)
    dout = rng.standard_normal(out.shape).astype(dtype)
    kernel, kernel_grads = run(cell, arrays, dout, **options)
    formula, formula_grads = run(cell, arrays, dout, on=formulas, **options)
    assert kernel.dtype == dtype
    assert_close(kernel, formula, FORMULA_TOLERANCE[dtype])
    for ours, expected in zip(kernel_grads, formula_grads, strict=True):
        assert_close(ours, expected, FORMULA_TOLERANCE[dtype])


def check_gradient(cell, rng, mask, reverse):
    arrays = draw(cell, rng, B=2, T=4, E=3, H=5)
    valid = draw_mask(mask, rng, 2, 4)
    gradcheck(lambda *tensors: cell.op(*tensors, valid=valid, reverse=reverse), *arrays, rng=rng)


def run_torch(cell, arrays, dout, lengths=None, reverse=False):
    """torch.nn's layer: h (B, T, H), the last states and the gradients, as run gives them.

    dout is (B, T, H); for an LSTM the gradient dc of the last cell stands beside it.  A reversed layer is the
    second direction of a bidirectional one.
    """
    torch = torch_or_skip()
    x, *states, w_ih, w_hh, b_ih, b_hh = (torch.tensor(a, requires_grad=True) for a in arrays)
    E, H = arrays[0].shape[2], arrays[1].shape[1]
    layer = getattr(torch.nn, cell.torch_name)(E, H, batch_first=True, bidirectional=reverse).to(x.dtype)
    suffix = "_l0_reverse" if reverse else "_l0"
    weights = {"weight_ih": w_ih, "weight_hh": w_hh, "bias_ih": b_ih, "bias_hh": b_hh}
    given = {name + suffix: weight for name, weight in weights.items()}
    first = [torch.stack([torch.zeros_like(s), s]) if reverse else s[None] for s in states]
    inputs = x if lengths is None else torch.nn.utils.rnn.pack_padded_sequence(
        x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    first = tuple(first) if cell.states == 2 else first[0]
    out, last = torch.func.functional_call(layer, given, (inputs, first))
    if lengths is not None:
        out, _ = torch.nn.utils.rnn.pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])
    last = [s[-1] for s in (last if cell.states == 2 else [last])]
    h = out[..., H:] if reverse else out
    outputs, gradients = [h], [torch.tensor(dout[0] if cell.states == 2 else dout)]
    if cell.states == 2:
        outputs.append(last[1])
        gradients.append(torch.tensor(dout[1]))
    torch.autograd.backward(outputs, gradients)
    return h.detach().numpy(), [s.detach().numpy() for s in last], [
        p.grad.numpy() for p in (x, *states, w_ih, w_hh, b_ih, b_hh)]


def check_torch(cell, rng, dtype, reverse=False, lengths=None, scale=1.0, shape=(5, 6, 7, 9)):
    """Against torch.nn with random gradients of all states and, for an LSTM, of the last cell."""
    B, T, _, H = shape
    arrays = draw(cell, rng, *shape, dtype=dtype)
    arrays[0] *= dtype(scale)
    valid = None if lengths is None else np.arange(T) < np.array(lengths)[:, None]
    real = np.ones((B, T), bool) if valid is None else valid
    dh = np.where(real[..., None], rng.standard_normal((B, T, H)), 0).astype(dtype)
    dc = rng.standard_normal((B, H)).astype(dtype)
    end = 0 if reverse else -1
    dout = dh
    if cell.states == 2:
        dout = np.stack([dh, np.zeros_like(dh)])
        dout[1, :, end] = dc
    out, grads = run(cell, arrays, dout, valid=valid, reverse=reverse)
    h, last, expected = run_torch(cell, arrays, (dh, dc) if cell.states == 2 else dh, lengths, reverse)
    tol = TORCH_TOLERANCE[dtype]
    assert_close(cell.h(out)[real], h[real], tol)
    assert_close(cell.h(out)[:, end], last[0], tol)
    if cell.states == 2:
        assert_close(out[1, :, end], last[1], tol)
    for ours, theirs in zip(grads, expected, strict=True):
        assert_close(ours, theirs, tol)


def check_rows_alone(cell, rng, reverse):
    """A row of a padded batch equals itself alone without its padding, in values and in gradients."""
    B, T = 3, 7
    arrays = draw(cell, rng, B, T)
    valid = draw_mask("some", rng, B, T)
    valid[:, 2] = True
    out, _ = run(cell, arrays)
    dout = rng.standard_normal(out.shape) * valid[..., None]
    padded, grads = run(cell, arrays, dout, valid=valid, reverse=reverse)
    n = 1 + cell.states
    total = [np.zeros_like(a) for a in arrays[n:]]
    for b in range(B):
        real = valid[b]
        alone = [arrays[0][b:b + 1, real], *(s[b:b + 1] for s in arrays[1:n]), *arrays[n:]]
        values, alone_grads = run(cell, alone, dout[..., b:b + 1, real, :], reverse=reverse)
        assert_close(padded[..., b, real, :], values[..., 0, :, :], 1e-12)
        assert_close(grads[0][b, real], alone_grads[0][0], 1e-12)
        assert (grads[0][b, ~real] == 0).all()
        for ours, expected in zip(grads[1:n], alone_grads[1:n]):
            assert_close(ours[b], expected[0], 1e-12)
        total = [t + g for t, g in zip(total, alone_grads[n:])]
    for ours, expected in zip(grads[n:], total):
        assert_close(ours, expected, 1e-12)


def check_padding_carries_the_state(cell, rng):
    """Where valid is False the state stays as it was, whatever x holds there."""
    arrays = draw(cell, rng, B=2, T=5)
    valid = np.array([[1, 1, 0, 0, 0], [0, 1, 0, 1, 0]], bool)
    out, _ = run(cell, arrays, valid=valid)
    h = cell.h(out)
    np.testing.assert_array_equal(h[0, 2:], np.broadcast_to(h[0, 1], h[0, 2:].shape))
    np.testing.assert_array_equal(h[1, 0], arrays[1][1])
    np.testing.assert_array_equal(h[1, 2], h[1, 1])
    arrays[0][~valid] = np.nan
    other, _ = run(cell, arrays, valid=valid)
    np.testing.assert_array_equal(out, other)


def check_bits(cell, rng):
    """The same bits with one thread and two, recorded and not, for a row alone, and step by step."""
    arrays = draw(cell, rng, B=13, T=6, E=20, H=37, dtype=np.float32)
    dout = rng.standard_normal(run(cell, arrays)[0].shape).astype(np.float32)
    with threads.limited(1):
        one, one_grads = run(cell, arrays, dout)
    out, grads = run(cell, arrays, dout)
    np.testing.assert_array_equal(out, one)
    for ours, expected in zip(grads, one_grads):
        np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(run(cell, arrays, on=no_grad)[0], out)
    n = 1 + cell.states
    row = [a[4:5] for a in arrays[:n]]
    np.testing.assert_array_equal(run(cell, [*row, *arrays[n:]])[0], out[..., 4:5, :, :])
    states = arrays[1:n]
    for t in range(6):
        step, _ = run(cell, [np.ascontiguousarray(arrays[0][:, t:t + 1]), *states, *arrays[n:]])
        np.testing.assert_array_equal(step, out[..., t:t + 1, :])
        states = [step[0, :, 0], step[1, :, 0]] if cell.states == 2 else [step[:, 0]]


def check_only_what_is_wanted(cell, rng):
    """Without requires_grad no gradient, with it the one that stands when all have it; no bias means 0."""
    arrays = draw(cell, rng)
    dout = rng.standard_normal(run(cell, arrays)[0].shape)
    _, grads = run(cell, arrays, dout)
    for wanted in range(len(arrays)):
        tensors = [Tensor(a, requires_grad=i == wanted) for i, a in enumerate(arrays)]
        cell.op(*tensors).backward(dout)
        np.testing.assert_array_equal(tensors[wanted].grad, grads[wanted])
        assert all(t.grad is None for i, t in enumerate(tensors) if i != wanted)
    zeros = [*arrays[:-2], np.zeros_like(arrays[-2]), np.zeros_like(arrays[-1])]
    np.testing.assert_array_equal(run(cell, arrays[:-2])[0], run(cell, zeros)[0])


def check_nothing_is_shared(cell, rng):
    """Later calls change no earlier result; backward can be repeated; no two gradients are one memory."""
    arrays = draw(cell, rng)
    first, _ = run(cell, arrays)
    kept = first.copy()
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    out = cell.op(*tensors)
    before = [t.data.copy() for t in (*tensors, out)]
    dout = rng.standard_normal(first.shape)
    out.backward(dout, retain_graph=True)
    once = [t.grad.copy() for t in tensors]
    run(cell, draw(cell, rng), dout)
    out.backward(dout)
    np.testing.assert_array_equal(first, kept)
    for t, g in zip(tensors, once):
        np.testing.assert_array_equal(t.grad, 2 * g)
    for array, t in zip(before, (*tensors, out)):
        np.testing.assert_array_equal(array, t.data)
    _, grads = run(cell, arrays, dout)
    for i, a in enumerate(grads):
        assert not any(np.shares_memory(a, b) for b in grads[i + 1:])


def check_extremes(cell, rng):
    """Saturated gates stay finite, and a nan stays in its row."""
    arrays = draw(cell, rng, dtype=np.float32)
    arrays[0] *= np.float32(1e6)
    dout = rng.standard_normal(run(cell, arrays)[0].shape).astype(np.float32)
    out, grads = run(cell, arrays, dout)
    assert np.isfinite(out).all() and all(np.isfinite(g).all() for g in grads)
    assert np.abs(cell.h(out)).max() <= max(1, np.abs(arrays[1]).max())
    arrays[0][1, 2] = np.nan
    h = cell.h(run(cell, arrays)[0])
    np.testing.assert_array_equal(np.isnan(h).any(axis=2), [[0] * 5, [0, 0, 1, 1, 1], [0] * 5])


def check_wrong_input(cell):
    """Each wrong argument is named, with what was expected and what came."""
    name, G = cell.op.__name__, cell.gates
    states = dict(h0=(2, 5), c0=(2, 5)) if cell.states == 2 else dict(h0=(2, 5))
    good = dict(x=(2, 3, 4), **states, w_ih=(5 * G, 4), w_hh=(5 * G, 5), b_ih=(5 * G,), b_hh=(5 * G,))
    digit = "" if G == 1 else str(G)

    def call(valid=None, dtypes=(), **shapes):
        arrays = (np.zeros(shape, dict(dtypes).get(n, np.float64)) for n, shape in {**good, **shapes}.items())
        return cell.op(*map(Tensor, arrays), valid=valid)

    call()
    for message, wrong in [
        (r"x must be \(B, T, E\), got shape \(3, 4\)", dict(x=(3, 4))),
        (r"h0 must be \(B, H\) with B = 2 as in x, got shape \(1, 5\)", dict(h0=(1, 5))),
        (rf"w_ih must be \({digit}H, E\) with E = 4 as in x, got shape", dict(w_ih=(5 * G, 3))),
        (rf"w_hh must be \({digit}H, H\) with H = 5 as in h0, got shape", dict(w_hh=(5 * G, 6))),
        (rf"b_ih must be \({digit}H,\) with H = 5 as in h0, got shape", dict(b_ih=(5 * G + G,))),
        (rf"b_hh must be \({digit}H,\), got shape \(1, {5 * G}\)", dict(b_hh=(1, 5 * G))),
        (r"valid must be \(B, T\) with T = 3 as in x, got shape \(2, 4\)", dict(valid=np.ones((2, 4), bool))),
        (r"valid must be boolean, got float64", dict(valid=np.ones((2, 3)))),
        (r"w_hh must be float64 as x, got float32", dict(dtypes={"w_hh": np.float32})),
        (r"x must be floating point, got int64", dict(dtypes={"x": np.int64})),
        (r"x must have at least one step, got shape \(2, 0, 4\)", dict(x=(2, 0, 4))),
    ]:
        with pytest.raises(ValueError, match=f"^{name}: {message}"):
            call(**wrong)
