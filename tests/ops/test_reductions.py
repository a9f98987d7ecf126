import numpy as np
import pytest

from tests.oracle import DTYPES, TORCH_TOLERANCE, assert_close, torch_or_skip
from tinyllm import ops
from tinyllm.autograd import Tensor
from tinyllm.gradcheck import gradcheck

OPS = {"sum": ops.sum, "mean": ops.mean, "max": ops.max}
AXES = [None, 0, 1, -1, (0, 2), (-1, 0, 1)]


def test_worked_example():
    x = Tensor([[1.0, 5.0], [2.0, 3.0]], requires_grad=True)
    assert x.sum().item() == 11
    assert x.mean(axis=0).data.tolist() == [1.5, 4]
    assert x.max(axis=1).data.tolist() == [5, 3]
    x.max(axis=1).backward(np.array([10.0, 20.0]))
    np.testing.assert_array_equal(x.grad, [[0, 10], [0, 20]])


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("op", OPS)
def test_gradient(rng, op, axis, keepdims):
    gradcheck(lambda x: OPS[op](x, axis, keepdims), rng.standard_normal((2, 3, 4)), rng=rng)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("op", OPS)
def test_matches_torch(rng, op, axis, keepdims, dtype):
    torch = torch_or_skip()
    x = rng.integers(-2, 3, (2, 3, 4)).astype(dtype)  # small integers: the maximum is reached several times
    ours, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y = OPS[op](ours, axis, keepdims)
    name = {"max": "amax"}.get(op, op)
    expected = getattr(torch, name)(theirs, dim=tuple(range(3)) if axis is None else axis, keepdim=keepdims)
    dout = rng.standard_normal(y.shape).astype(dtype)
    y.backward(dout)
    expected.backward(torch.tensor(dout))
    assert y.dtype == dtype
    assert_close(y.data, expected.detach(), TORCH_TOLERANCE[dtype])
    assert_close(ours.grad, theirs.grad, TORCH_TOLERANCE[dtype])


def test_the_gradient_of_a_sum_can_be_written_to(rng):
    """It is the same number everywhere, but it is the leaf's own memory: clipping scales it in place."""
    x = Tensor(rng.standard_normal((2, 3)), requires_grad=True)
    x.sum().backward()
    x.grad *= 0.5
    np.testing.assert_array_equal(x.grad, np.full((2, 3), 0.5))


def test_of_a_number():
    x = Tensor(3.0, requires_grad=True)
    (x.sum() + x.mean() + x.max()).backward()
    assert x.grad == 3


@pytest.mark.parametrize("op", OPS)
def test_wrong_input_is_named(op):
    with pytest.raises(ValueError, match=rf"{op}: axis must be in -2..1 for shape \(2, 3\), got 2"):
        OPS[op](Tensor(np.zeros((2, 3))), 2)


@pytest.mark.parametrize("op", ["mean", "max"])
def test_of_nothing(op):
    with pytest.raises(ValueError, match=rf"{op}: x must have numbers along axis 1, got shape \(2, 0\)"):
        OPS[op](Tensor(np.zeros((2, 0))), 1)
